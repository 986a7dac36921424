// Makes one tree of elements as another is, and leaves alone what is alike: the focus, the selection
// and what somebody has opened or written stay, also where an element moves to another place.

// The elements in `held` stay as they are, whatever the other tree says.
export function morph(from, to, held = () => false) {
  const active = document.activeElement;
  const known = new Map([...from.querySelectorAll("[id]")].map((one) => [one.id, one]));
  adapt(from, to, { known, held });
  if (active?.isConnected && active !== document.activeElement) {
    active.focus({ preventScroll: true });
  }
}

function adapt(from, to, rules) {
  adaptAttributes(from, to);
  let at = from.firstChild;
  for (const wanted of to.childNodes) {
    const found = matching(at, wanted, rules.known);
    const own = found ?? wanted.cloneNode(false);
    if (own === at) at = at.nextSibling;
    else from.insertBefore(own, at);
    if (found && rules.held(found)) continue;
    if (own.nodeType === Node.ELEMENT_NODE) adapt(own, wanted, rules);
    else if (own.nodeValue !== wanted.nodeValue) own.nodeValue = wanted.nodeValue;
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function adaptAttributes(from, to) {
  // What is open is for whoever looks to say.
  const isOwn = (name) => name === "open" && from.nodeName === "DETAILS";
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && !isOwn(name)) from.removeAttribute(name);
  }
  for (const { name, value } of to.attributes) {
    if (from.getAttribute(name) !== value && !isOwn(name)) from.setAttribute(name, value);
  }
}

// What is there for a node that is wanted: by its ID, else the next one if it is of its kind.
function matching(at, wanted, known) {
  if (wanted.id) {
    const own = known.get(wanted.id);
    return own?.nodeName === wanted.nodeName ? own : null;
  }
  return at && at.nodeName === wanted.nodeName && !at.id ? at : null;
}
