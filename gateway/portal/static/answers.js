// Two answers side by side, and what differs between them.

import { count, seconds } from "./figures.js";
import { jsonLines } from "./json.js";
import { element } from "./page.js";

export function verdict(result) {
  const many = result.differences.length;
  if (result.equal) return many ? `Equal by rule, ${count(many, "difference")}` : "No difference";
  return count(many, "difference");
}

export function differencesTable(result) {
  if (!result.differences.length) return null;
  const names = result.answers.map((answer) => answer.mount);
  const head = ["What", "Where", ...names, "Why"].map((text) =>
    element("th", { scope: "col" }, text),
  );
  const rows = result.differences.map((one) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, one.kind),
      element("td", { class: "path" }, one.where || "–"),
      ...one.values.map((value) =>
        element("td", {}, value === null ? "not there" : element("code", {}, value)),
      ),
      element("td", {}, one.why),
    ),
  );
  return element(
    "div",
    { class: "scroll differences", role: "region", "aria-label": "Differences", tabindex: "0" },
    element(
      "table",
      {},
      element("caption", { class: "unseen" }, "What differs between the two answers"),
      element("thead", {}, element("tr", {}, ...head)),
      element("tbody", {}, ...rows),
    ),
  );
}

export function answerCard(answer, differences) {
  const kinds = (kind) => differences.filter((one) => one.kind === kind);
  const names = new Set(kinds("header").map((one) => one.where.toLowerCase()));
  const status = element("span", { class: "status" }, String(answer.status || "no answer"));
  return element(
    "article",
    { class: "card answer", "aria-label": `Answer of ${answer.mount}` },
    element(
      "header",
      {},
      element("h3", {}, answer.mount),
      kinds("status").length ? marked(status) : status,
      element("span", { class: "took" }, seconds(answer.seconds)),
    ),
    element("p", { class: "path url" }, answer.url),
    element("h4", {}, "Headers"),
    element("ul", { class: "lines" }, ...answer.headers.map((pair) => headerLine(pair, names))),
    element("h4", {}, "Body", answer.truncated ? " (its beginning)" : ""),
    body(answer, differences),
  );
}

function headerLine([name, value], differing) {
  const line = element("li", {}, element("b", {}, `${name}: `), value);
  return differing.has(name.toLowerCase()) ? marked(line) : line;
}

// Marked by a sign and by words, not by its colour alone.
function marked(node) {
  node.classList.add("differs");
  const words = element("span", { class: "unseen" }, " differs: ");
  node.prepend(element("span", { class: "sign" }, "≠", words));
  return node;
}

function body(answer, differences) {
  if (answer.body === "") return element("p", { class: "hint" }, "It is empty.");
  const box = {
    class: "lines body",
    tabindex: "0",
    role: "region",
    "aria-label": `Body from ${answer.mount}`,
  };
  const found = parsed(answer);
  if (found === undefined) {
    const text = element("div", {}, answer.body);
    const differs = differences.some((one) => one.kind === "text" || one.kind === "json");
    return element("div", box, differs ? marked(text) : text);
  }
  const pointers = differences.filter((one) => one.kind === "json").map((one) => one.where);
  const lines = found.lines.map(({ text, pointer, folded }) => {
    const line = element("div", {}, text);
    const differs = pointers.some(
      (one) =>
        pointer === one ||
        pointer.startsWith(`${one}/`) ||
        (folded && one.startsWith(`${pointer}/`)),
    );
    return differs ? marked(line) : line;
  });
  const shown = element("div", box, ...lines);
  if (!found.more) return shown;
  const more = count(found.more, "line more is", "lines more are");
  return element("div", {}, shown, element("p", { class: "hint" }, `${more} left out here.`));
}

function parsed(answer) {
  if (answer.truncated) return undefined;
  try {
    return jsonLines(answer.body);
  } catch {
    return undefined;
  }
}
