// Filters the routes, and keeps their figures up to date.

import { rate, seconds, share } from "./figures.js";
import { filterAsTyped } from "./filter.js";
import { ask, fill, mark, whileSeen } from "./page.js";

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
      requests: route.requests.toLocaleString("en-US"),
      errors: share(route.error_rate),
      p50: seconds(route.p50_seconds),
      p95: seconds(route.p95_seconds),
      p99: seconds(route.p99_seconds),
    });
    mark(row, "errors", route.error_rate > 0);
  }
}

filterAsTyped();
// Figures that are a little old are better than none: a failed update is made up for by the next.
whileSeen(5000, () => update().catch(() => {}));
