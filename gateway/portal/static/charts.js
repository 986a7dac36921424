// The shapes of a chart, as templates/_charts.html draws them: one unit a step, 40 high.

const height = (value, peak) => (40 - (38 * value) / peak).toFixed(1);

// Since the start, within 2 and 15 minutes.
export function stepsShown({ uptime_seconds, step_seconds }) {
  const lived = Math.floor(uptime_seconds / step_seconds) + 1;
  return Math.min(Math.max(lived, 120 / step_seconds), 900 / step_seconds);
}

export function peakOf(values) {
  return Math.max(0, ...values.filter((value) => value !== null));
}

// A path; where there is no value the line has a gap.
export function line(values, peak) {
  let path = "";
  let before = false;
  values.forEach((value, step) => {
    const there = value !== null && peak > 0;
    if (there) path += `${before ? "L" : "M"}${step} ${height(value, peak)}${before ? "" : "h.1"}`;
    before = there;
  });
  return path;
}

export function area(values, peak) {
  if (!(peak > 0)) return "";
  return `M0 40${values.map((value, step) => `L${step} ${height(value, peak)}`).join("")}V40z`;
}

// Errors stand on the ground; even one among thousands is seen.
export function marks(values, peak) {
  return values
    .map((value, step) =>
      value && peak > 0 ? `M${step} 40V${Math.min(36, 40 - (38 * value) / peak).toFixed(1)}` : "",
    )
    .join("");
}
