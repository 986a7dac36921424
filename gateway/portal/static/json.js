// JSON in lines, as it was sent: what `JSON.parse` makes of a number (1.0, or one of twenty digits)
// is another text, and may hide the very difference that somebody looks for.

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:,]|[^\s{}[\]:,"]+/g;
const CLOSES = { "{": "}", "[": "]" };

// The lines of a text, each with the pointer (RFC 6901) of what stands in it, and how many `more`
// there are than `most`. What is `deepest` is one line, `folded`. Throws where it is no JSON.
export function jsonLines(text, most = 2000, deepest = 64) {
  JSON.parse(text);
  const tokens = text.match(TOKEN);
  const lines = [];
  const around = []; // the containers that are open, the innermost last
  let total = 0;

  function add(text, depth, pointer, folded = false) {
    total += 1;
    if (total <= most) lines.push({ text: "  ".repeat(depth) + text, pointer, folded });
  }

  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at];
    const inside = around.at(-1);
    if (token === ",") {
      if (total <= most) lines.at(-1).text += ",";
      if (inside.isArray) inside.key += 1;
    } else if (token === "}" || token === "]") {
      around.pop();
      add(token, around.length, inside.pointer);
    } else if (inside && !inside.isArray && tokens[at + 1] === ":") {
      inside.key = JSON.parse(token);
      at += 1;
    } else {
      const name = inside && !inside.isArray ? `${JSON.stringify(inside.key)}: ` : "";
      const pointer = inside ? `${inside.pointer}/${escaped(inside.key)}` : "";
      const close = CLOSES[token];
      if (!close) {
        // Text is spelled alike however it was escaped: it means the same.
        const shown = token[0] === '"' ? JSON.stringify(JSON.parse(token)) : token;
        add(name + shown, around.length, pointer);
      } else if (tokens[at + 1] === close) {
        add(name + token + close, around.length, pointer);
        at += 1;
      } else if (around.length === deepest) {
        add(`${name}${token} … ${close}`, around.length, pointer, true);
        at = endOf(tokens, at);
      } else {
        add(name + token, around.length, pointer);
        around.push({ isArray: token === "[", key: 0, pointer });
      }
    }
  }
  return { lines, more: total - lines.length };
}

const escaped = (key) => String(key).replaceAll("~", "~0").replaceAll("/", "~1");

// Where the container ends that begins at an index.
function endOf(tokens, at) {
  for (let open = 0; ; at += 1) {
    if (tokens[at] in CLOSES) open += 1;
    else if (tokens[at] === "}" || tokens[at] === "]") open -= 1;
    if (open === 0) return at;
  }
}
