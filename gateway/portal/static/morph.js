// Makes one tree of elements as another is, and leaves alone what is alike: the focus, the selection
// and what somebody has opened stay where they are.

// The elements in `held` stay as they are, whatever the other tree says.
export function morph(from, to, held = () => false) {
  if (held(from)) return;
  const isOpen = from.nodeName === "DETAILS";
  for (const { name } of [...from.attributes]) {
    // What is open is for whoever looks to say.
    if (!to.hasAttribute(name) && !(isOpen && name === "open")) from.removeAttribute(name);
  }
  for (const { name, value } of to.attributes) {
    if (isOpen && name === "open") continue;
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  const byId = new Map([...from.children].filter((one) => one.id).map((one) => [one.id, one]));
  let at = from.firstChild;
  for (const wanted of [...to.childNodes]) {
    const own = matching(at, wanted, byId);
    if (own === null) {
      from.insertBefore(wanted, at);
      continue;
    }
    if (own !== at) from.insertBefore(own, at);
    at = own.nextSibling;
    if (own.nodeType === Node.ELEMENT_NODE) morph(own, wanted, held);
    else if (own.nodeValue !== wanted.nodeValue) own.nodeValue = wanted.nodeValue;
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

// What is there for a node that is wanted: by its ID, else the next one if it is of its kind.
function matching(at, wanted, byId) {
  if (wanted.id) return byId.get(wanted.id) ?? null;
  if (at && at.nodeName === wanted.nodeName && !at.id) return at;
  return null;
}
