// Taking something along: copied, or as a file.

import { element } from "./page.js";

export function copyButton(label, text) {
  const said = element("span", { class: "unseen", role: "status" });
  const copy = async () => {
    const done = await copied(text);
    button.textContent = done ? "Copied" : "Not copied";
    said.textContent = done ? `${label}: copied` : `${label}: not copied`;
    setTimeout(() => {
      button.textContent = label;
      said.textContent = "";
    }, 2000);
  };
  const button = element("button", { type: "button", onclick: copy }, label);
  return element("span", {}, button, said);
}

export async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Over plain HTTP, and where it is forbidden, the old way is left.
    const field = element("textarea", { class: "unseen", "aria-hidden": "true" });
    const before = document.activeElement;
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    before?.focus();
    return done;
  }
}

export function saveButton(label, name, text) {
  const save = () => {
    const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    element("a", { href: url, download: name }).click();
    URL.revokeObjectURL(url);
  };
  return element("button", { type: "button", onclick: save }, label);
}
