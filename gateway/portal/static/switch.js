// The boards of the switches: kept up to date, and setting modes after somebody has agreed.

import { clock } from "./figures.js";
import { morph } from "./morph.js";
import { ask, element, whileSeen } from "./page.js";
import { copied } from "./take.js";

const EVERY = 3000;
const find = (selector) => document.querySelector(selector);
const boards = find("[data-boards]");
const state = find("[data-live-state]");
const pause = find("[data-live-pause]");
const dialog = find("[data-confirm]");
const filter = find("[data-filter]");
let looking = null;
let typing = 0;

// --- looking ------------------------------------------------------------------------------------

// The page's own address says what is open: it can be kept, sent, and loaded again.
function address() {
  const open = [...boards.querySelectorAll("details.route[open]")].map((one) => one.id);
  const words = filter.elements.q.value.trim();
  const query = new URLSearchParams(open.map((id) => ["open", id]));
  if (words) query.set("q", words);
  return query.size ? `${location.pathname}?${query}` : location.pathname;
}

async function look() {
  looking?.abort();
  const { signal } = (looking = new AbortController());
  let page;
  try {
    const answer = await fetch(address(), { headers: { Accept: "text/html" }, signal });
    page = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    if (!signal.aborted) state.textContent = "Connection lost, trying again";
    return;
  }
  if (signal.aborted) return;
  const fresh = page.querySelector("[data-boards]");
  if (fresh) {
    morph(boards, fresh, isHeld);
    filter.querySelector("[data-count]").textContent = page.querySelector("[data-count]").textContent;
    state.textContent = `Live, ${clock(new Date().toISOString())} UTC`;
  } else if (page.querySelector("[data-gone]")) {
    state.textContent = "The database is gone: these figures are old";
  } else {
    state.textContent = "Not live: reload the page";
  }
}

// A form in which somebody is at work stays, with what is written in it.
function isHeld(node) {
  if (node.nodeName !== "FORM") return false;
  if (node.contains(document.activeElement) || node.querySelector("[data-fault]").textContent) {
    return true;
  }
  return [...node.elements].some(isChanged);
}

function isChanged(field) {
  if (field.nodeName === "SELECT") {
    const first = Math.max(0, [...field.options].findIndex((one) => one.defaultSelected));
    return field.selectedIndex !== first;
  }
  return field.nodeName === "INPUT" && field.value !== field.defaultValue;
}

boards?.addEventListener(
  "toggle",
  (event) => {
    if (!event.target.matches("details.route")) return;
    history.replaceState(null, "", address());
    if (event.target.open && event.target.querySelector(".evidence > .hint:only-child")) look();
  },
  true,
);

// --- setting ------------------------------------------------------------------------------------

function wanted(form) {
  const { target, mode, percent, why } = form.elements;
  const order = { route: target.value, mode: mode.value, why: why.value.trim() };
  if (mode.value === "canary") order.percent = percent.valueAsNumber;
  return order;
}

function send(form, order) {
  return ask(`/api/switches/${encodeURIComponent(form.dataset.switch)}/set`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(order),
  });
}

async function propose(form) {
  const fault = form.querySelector("[data-fault]");
  const button = form.querySelector("button");
  fault.textContent = "";
  button.disabled = true;
  try {
    const order = wanted(form);
    confirm(form, order, await send(form, { ...order, dry_run: true }));
  } catch (error) {
    fault.textContent = error.message;
  } finally {
    button.disabled = false;
  }
}

function confirm(form, order, plan) {
  const isKill = order.route === "*";
  find("[data-confirm-title]").textContent = isKill ? "The kill switch" : "Set the mode?";
  find("[data-confirm-text]").replaceChildren(
    ...plan.text.map((sentence) => element("p", {}, sentence)),
  );
  find("[data-confirm-fault]").textContent = "";
  const go = find("[data-do]");
  go.textContent = isKill ? (order.mode === "legacy" ? "Turn it on" : "Turn it off") : "Set it";
  go.onclick = () => carryOut(form, order);
  dialog.showModal();
  // Who presses Enter twice by mistake has set nothing.
  find("[data-cancel]").focus();
}

async function carryOut(form, order) {
  const go = find("[data-do]");
  go.disabled = true;
  try {
    const done = await send(form, order);
    dialog.close();
    form.reset();
    showPercent(form);
    tell(`Done, revision ${done.revision}. ${done.text.join(" ")}`);
    const { for: route } = form.dataset;
    document.activeElement?.blur();
    await look();
    // It may stand elsewhere now.
    const line = route ? document.getElementById(route)?.querySelector("summary") : null;
    const next = line ?? form.querySelector("button");
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  } catch (error) {
    find("[data-confirm-fault]").textContent = error.message;
  } finally {
    go.disabled = false;
  }
}

function tell(text) {
  find("[data-told-box]").hidden = false;
  find("[data-told]").textContent = text;
}

function showPercent(form) {
  const percent = form.querySelector("[data-percent]");
  if (percent) percent.hidden = form.elements.mode.value !== "canary";
}

async function copy(button) {
  const text = button.parentElement.querySelector("pre").textContent;
  const done = await copied(text);
  button.textContent = done ? "Copied" : "Not copied";
  tell(done ? "Copied." : "Not copied.");
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

// --- start --------------------------------------------------------------------------------------

function startFilter() {
  filter.querySelector("button").hidden = true;
  const apply = () => {
    history.replaceState(null, "", address());
    look();
  };
  filter.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(apply, 200);
  });
  filter.addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
}

function start() {
  document.documentElement.dataset.scripts = "yes";
  startFilter();
  boards.addEventListener("submit", (event) => {
    event.preventDefault();
    propose(event.target);
  });
  boards.addEventListener("change", (event) => {
    if (event.target.matches("[data-mode-choice]")) showPercent(event.target.form);
  });
  boards.addEventListener("input", (event) => {
    const fault = event.target.form?.querySelector("[data-fault]");
    if (fault) fault.textContent = "";
  });
  boards.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
  find("[data-cancel]").addEventListener("click", () => dialog.close());
  find("[data-told-close]").addEventListener("click", () => (find("[data-told-box]").hidden = true));
  pause.addEventListener("click", () => {
    const paused = pause.getAttribute("aria-pressed") !== "true";
    pause.setAttribute("aria-pressed", String(paused));
    if (paused) {
      looking?.abort();
      state.textContent = "Paused";
    } else look();
  });
  find("[data-live]").hidden = false;
  whileSeen(EVERY, () => {
    if (pause.getAttribute("aria-pressed") !== "true") look();
  });
}

if (boards) start();
