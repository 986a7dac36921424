// What every script of a page needs: where the gateway's endpoints are, and elements.

export const base = document.body.dataset.base;

export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function shape(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) node.setAttribute(name, value === true ? "" : value);
  }
  // One by one: what is spread has to fit the call stack.
  for (const child of children) if (child !== null) node.append(child);
  return node;
}

// Sets the text of an element's named fields; one that stays as it was is not touched.
export function fill(root, fields) {
  for (const [name, text] of Object.entries(fields)) {
    const node = root.querySelector(`[data-field="${name}"]`);
    if (!node || node.textContent === String(text)) continue;
    if (node.classList.contains("figure")) {
      const [number, unit] = String(text).split("\u00a0");
      node.replaceChildren(number, ...(unit ? [element("small", {}, `\u00a0${unit}`)] : []));
    } else {
      node.textContent = text;
    }
  }
}

export function mark(root, name, bad) {
  const node = root.querySelector(`[data-field="${name}"]`);
  if (node) node.dataset.bad = bad ? "yes" : "no";
}

// JSON from the portal's API; an error carries the words of the problem document.
export async function ask(path, options = {}) {
  const answer = await fetch(base + path, {
    ...options,
    headers: { Accept: "application/json", ...options.headers },
  });
  const document = await answer.json().catch(() => null);
  if (!answer.ok || document === null) {
    throw new Error(document?.detail || `The gateway answered ${answer.status}.`);
  }
  return document;
}

// Calls again and again while somebody can see the page.
export function whileSeen(milliseconds, call) {
  setInterval(() => {
    if (!document.hidden) call();
  }, milliseconds);
}
