// Filters what has a text (`data-text`) while somebody types, as `?q=` does on the server.

const form = document.querySelector("[data-filter]");
const field = form.elements.q;
const changed = form.elements.changed;
const candidates = [...document.querySelectorAll("[data-text]")];
const groups = [...document.querySelectorAll("[data-group]")];
let noting = 0;

function apply() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  let total = 0;
  for (const one of candidates) {
    const { text, counts, origin } = one.dataset;
    const wanted = !(changed?.checked && origin === "default");
    one.hidden = !(wanted && words.every((word) => text.includes(word)));
    total += Number(counts);
    if (!one.hidden) shown += Number(counts);
  }
  for (const group of groups) group.hidden = !group.querySelector("[data-text]:not([hidden])");
  document.querySelector("[data-nothing]").hidden = shown > 0 || total === 0;
  form.querySelector("[data-count]").textContent = `${shown} of ${total}`;
  const query = new URLSearchParams();
  if (words.length) query.set("q", field.value);
  if (changed?.checked) query.set("changed", "1");
  clearTimeout(noting);
  // Browsers take offence at an address that changes with each letter.
  noting = setTimeout(
    () => history.replaceState(null, "", query.size ? `?${query}` : location.pathname),
    300,
  );
}

export function filterAsTyped() {
  form.querySelector("button").hidden = true;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
}
