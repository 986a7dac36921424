// Fields of a name and a value each, as many as somebody wants.

import { element } from "./page.js";

export class Rows {
  constructor(fieldset, what) {
    this.fieldset = fieldset;
    this.list = fieldset.querySelector("[data-list]");
    this.what = what;
    this.add = fieldset.querySelector("[data-add]");
    this.add.addEventListener("click", () => this.append("", "").querySelector("input").focus());
  }

  append(name, value) {
    const remove = () => {
      row.remove();
      this.add.focus();
    };
    const field = (label, text, key) =>
      element("input", {
        "aria-label": label,
        placeholder: key,
        "data-key": key,
        value: text,
        class: "mono",
        autocomplete: "off",
        spellcheck: "false",
      });
    const row = element(
      "div",
      { class: "row" },
      field(`Name of the ${this.what}`, name, "name"),
      field(`Value of the ${this.what}`, value, "value"),
      element(
        "button",
        { class: "quiet", type: "button", "aria-label": `Remove the ${this.what}`, onclick: remove },
        "Remove",
      ),
    );
    this.list.append(row);
    return row;
  }

  replace(entries) {
    this.list.replaceChildren();
    for (const [name, value] of entries) this.append(name, value);
  }

  // Those that have a name.
  entries() {
    return [...this.list.children]
      .map((row) => [...row.querySelectorAll("input")].map((input) => input.value))
      .filter(([name]) => name.trim() !== "")
      .map(([name, value]) => [name.trim(), value]);
  }
}
