// The form of the compare page: fills itself in from a route's schema, asks, and shows the result.

import { answerCard, differencesTable, verdict } from "./answers.js";
import { seconds } from "./figures.js";
import { ask, element } from "./page.js";
import { plot, quantile } from "./plot.js";
import { Rows } from "./rows.js";
import { proposal } from "./schema.js";
import { copyButton, saveButton } from "./take.js";

const SAFE = ["GET", "HEAD", "OPTIONS"];
const TIMES = 200;
const find = (selector) => document.querySelector(selector);

function start(form) {
  const { pair, first, second, method, path, body, repeat } = form.elements;
  const query = new Rows(find('[data-rows="query"]'), "query field");
  const headers = new Rows(find('[data-rows="headers"]'), "header");
  const parameters = find("[data-parameters]");
  let latest = 0;
  let filledFor = "";

  function takePair() {
    const chosen = pair.selectedOptions[0].dataset;
    if (!chosen.path) return;
    method.value = chosen.method;
    path.value = chosen.path;
    first.value = chosen.first;
    second.value = chosen.second;
    adapt();
  }

  // Fields for what the path, the method and the schema ask for.
  async function adapt() {
    const unsafe = !SAFE.includes(method.value);
    find("[data-unsafe]").hidden = !unsafe;
    find("[data-body]").hidden = !unsafe;
    showParameters();
    latest += 1;
    const mine = latest;
    const prefixes = [first, second].map((one) => one.selectedOptions[0].dataset.prefix);
    const targets = prefixes.map((prefix) => prefix.replace(/\/$/, "") + path.value);
    const proposed = await proposal(method.value, targets);
    if (mine !== latest) return; // something else was chosen meanwhile
    for (const input of parameters.querySelectorAll("input")) {
      const named = proposed.path[input.name.slice(6)];
      input.value ||= named ?? Object.values(proposed.path)[input.dataset.index] ?? "";
    }
    find("[data-schema-note]").textContent = proposed.known
      ? "Filled in from the OpenAPI document."
      : "";
    // What somebody has typed for this route, or for one that nobody describes, stays.
    const route = `${method.value} ${path.value}`;
    if (!proposed.known || route === filledFor) return;
    filledFor = route;
    query.replace(Object.entries(proposed.query));
    const hasBody = unsafe && proposed.body !== undefined;
    const typed = hasBody ? [["Content-Type", "application/json"]] : [];
    headers.replace([...Object.entries(proposed.header), ...typed]);
    body.value = hasBody ? JSON.stringify(proposed.body, null, 2) : "";
  }

  function showParameters() {
    const known = new Map(
      [...parameters.querySelectorAll("input")].map((input) => [input.name, input.value]),
    );
    const names = [...path.value.matchAll(/\{([^}]+)\}/g)].map((match) => match[1]);
    const fields = names.map((name, index) => {
      const id = `param-${name}`;
      const value = known.get(id) ?? "";
      return element(
        "div",
        { class: "field" },
        element("label", { for: id }, name),
        element("input", {
          id,
          name: id,
          value,
          "data-index": index,
          class: "mono",
          required: true,
          autocomplete: "off",
        }),
      );
    });
    parameters.replaceChildren(parameters.querySelector("legend"), ...fields);
    parameters.hidden = names.length === 0;
  }

  function target() {
    const filled = path.value.replace(/\{([^}]+)\}/g, (_, name) => {
      const value = document.getElementById(`param-${name}`).value;
      // A parameter of several segments keeps its slashes.
      return value.split("/").map(encodeURIComponent).join("/");
    });
    const search = new URLSearchParams(query.entries()).toString();
    return search ? `${filled}${filled.includes("?") ? "&" : "?"}${search}` : filled;
  }

  async function send(times) {
    const unsafe = !SAFE.includes(method.value);
    const question = {
      method: method.value,
      mounts: [first.value, second.value],
      target: target(),
      headers: Object.fromEntries(headers.entries()),
      body: unsafe ? body.value : "",
      times,
      repeat_unsafe: unsafe && repeat.checked,
    };
    busy(true, times > 1 ? `Running ${times} times on each side …` : "Sending …");
    try {
      const result = await ask("/api/compare", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(question),
      });
      show({ question, ...result });
      find("[data-progress]").textContent = `Done: ${verdict(result).toLowerCase()}.`;
    } catch (error) {
      find("[data-progress]").textContent = "";
      find("[data-fault]").textContent = error.message;
    } finally {
      busy(false);
    }
  }

  function busy(is, text) {
    find("[data-send]").disabled = is;
    find("[data-run]").disabled = is;
    if (!is) return;
    find("[data-fault]").textContent = "";
    find("[data-progress]").textContent = text;
  }

  pair.addEventListener("change", takePair);
  for (const one of [first, second, method]) one.addEventListener("change", adapt);
  // At once, not when it is left: the button to press next would move away.
  path.addEventListener("input", adapt);
  for (const one of [first, second, method, path]) {
    one.addEventListener("input", () => (pair.value = ""));
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(1);
  });
  repeat.addEventListener("change", () => repeat.setCustomValidity(""));
  find("[data-run]").addEventListener("click", () => {
    const refused = !SAFE.includes(method.value) && !repeat.checked;
    const why = `${method.value} is not safe: tick this to send it ${TIMES} times.`;
    repeat.setCustomValidity(refused ? why : "");
    if (form.reportValidity()) send(TIMES);
    // A single request needs no tick.
    repeat.setCustomValidity("");
  });
  adapt();
}

function show(result) {
  const { answers, differences, runs, curl } = result;
  const section = find("[data-result]");
  section.hidden = false;
  find("[data-verdict]").textContent = verdict(result);
  find("[data-verdict]").dataset.equal = result.equal ? "yes" : "no";
  const notes = (result.notes ?? []).map((note) => element("p", { class: "hint" }, note));
  const parts = {
    "[data-differences]": [differencesTable(result), ...notes],
    "[data-answers]": answers.map((answer) => answerCard(answer, differences)),
    "[data-runs]": runs ? runsOf(answers, runs, section.clientWidth) : [],
    "[data-take]": take(result, answers, curl),
  };
  for (const [selector, nodes] of Object.entries(parts)) {
    find(selector).replaceChildren(...nodes.filter(Boolean));
  }
  section.scrollIntoView({ block: "start" });
  section.focus({ preventScroll: true });
}

function runsOf(answers, runs, width) {
  const names = answers.map((answer) => answer.mount);
  const [first, second] = names;
  const short = (number) => number.toPrecision(2);
  const spread = runs.spread.map(short).join(" to ");
  const rows = names.map((name, index) => {
    const sorted = [...runs.seconds[index]].sort((a, b) => a - b);
    const cells = [0, 0.5, 0.95, 0.99, 1].map((part) =>
      element("td", { class: "number" }, seconds(quantile(sorted, part))),
    );
    return element("tr", {}, element("th", { scope: "row" }, name), ...cells);
  });
  const heads = ["Mount", "Least", "Median", "p95", "p99", "Most"].map((text, index) =>
    element("th", { scope: "col", class: index ? "number" : "" }, text),
  );
  return [
    element("h3", {}, `Latency of ${runs.times} runs each`),
    element(
      "p",
      { class: "ratio" },
      `At the median ${second} takes `,
      element("b", {}, `${short(runs.ratio)} times`),
      ` as long as ${first} (${spread}).`,
    ),
    plot(names, runs, width - 28),
    element(
      "div",
      { class: "scroll", role: "region", "aria-label": "Latency in figures", tabindex: "0" },
      element(
        "table",
        {},
        element("caption", { class: "unseen" }, "The same in figures"),
        element("thead", {}, element("tr", {}, ...heads)),
        element("tbody", {}, ...rows),
      ),
    ),
  ];
}

function take(result, answers, curl) {
  const json = JSON.stringify(result, null, 2);
  return [
    element("h3", {}, "Take it along"),
    element(
      "p",
      { class: "line" },
      copyButton("Copy as JSON", json),
      saveButton("Save as JSON", "comparison.json", json),
    ),
    ...curl.map((text, index) =>
      element(
        "div",
        { class: "curl" },
        element(
          "pre",
          { tabindex: "0", role: "region", "aria-label": `curl line for ${answers[index].mount}` },
          text,
        ),
        copyButton(`Copy curl for ${answers[index].mount}`, text),
      ),
    ),
  ];
}

const form = find("[data-ask]");
if (form) start(form);
