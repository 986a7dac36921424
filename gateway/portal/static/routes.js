// Filters the routes, and keeps their figures up to date.

import { rate, seconds, share } from "./figures.js";
import { filterAsTyped } from "./filter.js";
import { ask, base, fill, mark, whileSeen } from "./page.js";
import { documented } from "./schema.js";

const rows = new Map(
  [...document.querySelectorAll("[data-route]")].map((row) => [row.dataset.route, row]),
);

async function update() {
  const { routes } = await ask("/api/routes");
  for (const route of routes) {
    const row = rows.get(`${route.mount} ${route.methods.join(",")} ${route.template}`);
    if (!row) continue;
    fill(row, {
      rate: rate(route.requests_per_second),
      requests: route.requests?.toLocaleString("en-US") ?? "–",
      errors: share(route.error_rate),
      p50: seconds(route.p50_seconds),
      p95: seconds(route.p95_seconds),
      p99: seconds(route.p99_seconds),
    });
    mark(row, "errors", route.error_rate > 0);
    row.dataset.idle = route.requests_per_second ? "no" : "yes";
  }
}

// Leads to the operation itself; what is in no document has no link.
async function linkOperations() {
  for (const row of rows.values()) {
    const link = row.querySelector("[data-documented]");
    if (!link) continue;
    const found = await documented(row.dataset.methods.split(" "), row.dataset.target);
    if (found) link.href = `${base}/docs#/${found.map(encodeURIComponent).join("/")}`;
    else if (found === null) link.replaceWith(...link.childNodes);
  }
}

filterAsTyped();
linkOperations();
// Figures that are a little old are better than none: a failed update is made up for by the next.
whileSeen(5000, () => update().catch(() => {}));
