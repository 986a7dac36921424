// Two distributions of latency above one logarithmic axis: each run a dot, a histogram behind them.

import { seconds } from "./figures.js";
import { element, shape } from "./page.js";

const LEFT = 24;
// Of a label's letter, about, in pixels.
const LETTER = 7.2;
const ROW = 92;
const DOTS = 34;
const AXIS = 30;
const BINS = 48;

export function quantile(sorted, part) {
  const at = (sorted.length - 1) * part;
  const low = Math.floor(at);
  const high = Math.ceil(at);
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
}

// As wide as there is room for, so that what is written in it keeps its size.
export function plot(names, runs, room) {
  const width = Math.max(280, Math.round(room));
  const sorted = runs.seconds.map((values) => [...values].sort((a, b) => a - b));
  const all = sorted.flat().filter((value) => value > 0);
  const low = Math.log10(Math.min(...all) / 1.15);
  const high = Math.log10(Math.max(...all) * 1.15);
  const x = (value) => LEFT + ((Math.log10(value) - low) / (high - low)) * (width - 2 * LEFT);
  const height = 2 * ROW + AXIS;
  const drawing = shape("svg", {
    class: "plot",
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": description(names, runs),
  });
  for (const value of ticks(low, high, width)) {
    drawing.append(
      shape("path", { class: "tick-line", d: `M${x(value).toFixed(1)} 0V${2 * ROW + 4}` }),
      shape("text", { class: "tick-text", x: x(value).toFixed(1), y: 2 * ROW + 20 }, seconds(value)),
    );
  }
  sorted.forEach((values, row) =>
    drawing.append(
      distribution(values, runs.medians[row], row, names[row], { x, low, high, width }),
    ),
  );
  drawing.append(shape("path", { class: "axis", d: `M${LEFT} ${2 * ROW}H${width - LEFT}` }));
  return element(
    "div",
    { class: "plot-box", role: "region", "aria-label": "Plot", tabindex: "0" },
    drawing,
  );
}

function description(names, runs) {
  const medians = names.map((name, index) => `${name} ${seconds(runs.medians[index])}`);
  return `Latency of ${runs.times} runs each on a logarithmic axis; medians: ${medians.join(", ")}`;
}

function distribution(values, median, row, name, axis) {
  const { x, low, width } = axis;
  const top = row * ROW;
  const ground = top + ROW - 1;
  const group = shape("g", { class: row ? "second" : "first" });
  group.append(shape("path", { class: "histogram", d: histogram(values, ground, axis) }));
  values.forEach((value, index) =>
    group.append(
      shape("circle", {
        cx: x(Math.max(value, 10 ** low)).toFixed(1),
        // Spread by a fixed rule, so that the same runs are always drawn alike.
        cy: (top + 24 + (((index * 0.618034) % 1) - 0.5) * (DOTS - 14)).toFixed(1),
        r: 2.2,
      }),
    ),
  );
  const middle = x(median);
  const text = `${name}, median ${seconds(median)}`;
  // Beside the median: to its right, else to its left, else as far right as it fits.
  const room = text.length * LETTER;
  const right = Math.max(Math.min(middle + 6, width - room), 0);
  const late = middle + 6 > right && middle - 6 >= room;
  group.append(
    shape("path", { class: "median", d: `M${middle.toFixed(1)} ${top + 10}V${ground}` }),
    shape(
      "text",
      {
        class: "label",
        x: (late ? middle - 6 : right).toFixed(1),
        y: ground - 8,
        "text-anchor": late ? "end" : "start",
      },
      text,
    ),
  );
  return group;
}

function histogram(values, ground, { x, low, high }) {
  const counts = new Array(BINS).fill(0);
  for (const value of values) {
    const part = (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low);
    counts[Math.min(BINS - 1, Math.max(0, Math.floor(part * BINS)))] += 1;
  }
  const most = Math.max(...counts);
  const tall = ROW - DOTS - 10;
  const edge = (bin) => x(10 ** (low + ((high - low) * bin) / BINS)).toFixed(1);
  const steps = counts.map(
    (many, bin) => `V${(ground - (tall * many) / most).toFixed(1)}H${edge(bin + 1)}`,
  );
  return `M${edge(0)} ${ground}${steps.join("")}V${ground}z`;
}

// 1, 2 and 5 of each power of ten; fewer where there is no room for them, never none.
function ticks(low, high, width) {
  const room = width / (high - low);
  const parts = room > 230 ? [1, 2, 5] : room > 130 ? [1, 3] : [1];
  const found = [];
  for (let power = Math.floor(low); power <= Math.ceil(high); power += 1) {
    for (const part of parts) found.push(part * 10 ** power);
  }
  const within = found.filter((value) => value >= 10 ** low && value <= 10 ** high);
  return within.length ? within : [10 ** ((low + high) / 2)];
}
