// Keeps the overview up to date by server-sent events, while it is seen and not paused.

import { area, line, marks, peakOf, stepsShown } from "./charts.js";
import { clock, count, duration, rate, seconds, share, size } from "./figures.js";
import { base, fill, mark } from "./page.js";

const find = (selector) => document.querySelector(selector);
const headline = find("[data-headline]");
const state = find("[data-live-state]");
const pause = find("[data-live-pause]");
let stream = null;
let told = null;

function show(overview) {
  showHeadline(overview);
  const steps = stepsShown(overview);
  const span = duration(steps * overview.step_seconds);
  overview.mounts.forEach((mount) => showMount(mount, steps, span));
  showErrors(overview.errors);
  fill(find("[data-process]"), {
    uptime: duration(overview.uptime_seconds),
    workers: overview.workers.length,
    memory: size(overview.memory_bytes),
    lag: seconds(overview.event_loop_lag_seconds),
  });
  // Of one alone, all that there is to say is said above.
  find("[data-workers]").hidden = overview.workers.length < 2;
  showRows("workers", overview.workers, (row, worker) =>
    fill(row, {
      pid: worker.pid,
      memory: size(worker.memory_bytes),
      threads: worker.threads,
      lag: seconds(worker.event_loop_lag_seconds),
      uptime: duration(worker.uptime_seconds),
    }),
  );
}

function showHeadline(overview) {
  const { mounts, draining, silent = [] } = overview;
  const ready = mounts.filter((mount) => mount.state === "ready").length;
  const errors = errorsLately(overview);
  const faulty = errors > 0 || mounts.some((mount) => mount.error_rate > 0);
  const requests = sum(mounts.map((mount) => mount.requests_per_second));
  const services = mounts.length ? count(mounts.length, "service") : "No services";
  const all = mounts.length === 1 ? "ready" : "all ready";
  const well = overview.well ?? (ready === mounts.length && !draining && !silent.length);
  const served = draining
    ? ", shutting down"
    : mounts.length === 0
      ? ""
      : `, ${ready === mounts.length ? all : `${mounts.length - ready} not ready`}`;
  const condition = served + workersCondition(silent.length, well, draining, ready < mounts.length);
  const faults = errors ? count(errors, "error") : faulty ? "errors" : "no errors";
  const text = `${services}${condition}, ${rate(requests)}, ${faults} in the last minute`;
  if (headline.textContent.trim() !== text) headline.textContent = text;
  headline.dataset.well = well ? (faulty ? "errors" : "yes") : "no";
  announce(`${services}${condition}, ${faulty ? "errors" : "no errors"} in the last minute`);
}

// Nothing where all is well with them, or something else is said to be the matter.
function workersCondition(silent, well, draining, unready) {
  if (silent) return `, ${count(silent, "worker does", "workers do")} not answer`;
  return well || draining || unready ? "" : ", a worker is shutting down";
}

const sum = (values) => values.reduce((total, value) => total + value, 0);

// As gateway/portal/lately.py counts them.
function errorsLately({ mounts, errors, started, uptime_seconds, step_seconds }) {
  const recent = Date.parse(started) + (uptime_seconds - 60) * 1000;
  const listed = errors.filter((error) => Date.parse(error.time) >= recent).length;
  const steps = Math.floor(60 / step_seconds);
  const rates = mounts.map((mount) => sum(mount.history.errors_per_second.slice(-steps)));
  return Math.max(listed, Math.round(sum(rates) * step_seconds));
}

// A screen reader hears what changes between well and unwell, not each number on its way.
function announce(text) {
  if (told !== null && told !== text) find("[data-announce]").textContent = text;
  told = text;
}

function showMount(mount, steps, span) {
  const card = find(`[data-mount="${CSS.escape(mount.name)}"]`);
  if (!card) return;
  const { threads } = mount;
  const history = Object.fromEntries(
    Object.entries(mount.history).map(([name, values]) => [name, values.slice(-steps)]),
  );
  const peak = peakOf(history.requests_per_second);
  const slowest = peakOf(history.p99_seconds);
  const last = history.requests_per_second.length - 1;
  fill(card, {
    state: mount.state,
    rate: rate(mount.requests_per_second),
    "rate-span": span,
    "latency-span": span,
    "rate-peak": rate(peak),
    "latency-peak": seconds(slowest || null),
    p50: seconds(mount.p50_seconds),
    p95: seconds(mount.p95_seconds),
    p99: seconds(mount.p99_seconds),
    errors: share(mount.error_rate),
    ...threads,
  });
  card.querySelector("[data-state]").dataset.state = mount.state;
  mark(card, "errors", mount.error_rate > 0);
  mark(card, "stuck", threads?.stuck > 0);
  const shapes = {
    area: area(history.requests_per_second, peak),
    requests: line(history.requests_per_second, peak),
    errors: marks(history.errors_per_second, peak),
    p50: line(history.p50_seconds, slowest),
    p95: line(history.p95_seconds, slowest),
    p99: line(history.p99_seconds, slowest),
  };
  for (const chart of card.querySelectorAll(".chart")) {
    chart.setAttribute("viewBox", `0 0 ${last} 40`);
    chart.querySelector('[data-shape="ground"]').setAttribute("d", `M0 40H${last}`);
  }
  for (const [name, path] of Object.entries(shapes)) {
    card.querySelector(`[data-shape="${name}"]`).setAttribute("d", path);
  }
}

function showErrors(errors) {
  find("[data-no-errors]").hidden = errors.length > 0;
  find("[data-errors]").hidden = errors.length === 0;
  // Who is about to follow a link keeps it where it is.
  if (find('[data-rows="errors"]').contains(document.activeElement)) return;
  showRows("errors", errors, (row, error) => {
    const { mount, method, path, outcome, request_id } = error;
    fill(row, { mount, method, path, outcome, request_id, status: error.status || "–" });
    const time = row.querySelector("time");
    time.dateTime = time.title = error.time;
    time.textContent = clock(error.time);
    row.querySelector("a").href = `${base}/requests/${encodeURIComponent(request_id)}`;
  });
}

// As many rows as there are items, made from the template beside the table.
function showRows(name, items, showRow) {
  const body = find(`[data-rows="${name}"]`);
  const template = find(`[data-row="${name}"]`);
  while (body.rows.length > items.length) body.lastElementChild.remove();
  while (body.rows.length < items.length) body.append(template.content.cloneNode(true));
  items.forEach((item, index) => showRow(body.rows[index], item));
}

function begin() {
  if (stream || document.hidden || pause.getAttribute("aria-pressed") === "true") return;
  state.textContent = "Connecting";
  stream = new EventSource(`${base}/api/overview/stream`);
  stream.addEventListener("overview", (event) => {
    const now = new Date().toISOString();
    show(JSON.parse(event.data));
    state.textContent = `Live, ${clock(now)} UTC`;
  });
  stream.addEventListener("error", () => {
    const over = stream.readyState === EventSource.CLOSED;
    state.textContent = over ? "Not live: reload the page" : "Connection lost, trying again";
  });
}

function end(text) {
  stream?.close();
  stream = null;
  state.textContent = text;
}

pause.addEventListener("click", () => {
  const paused = pause.getAttribute("aria-pressed") !== "true";
  pause.setAttribute("aria-pressed", String(paused));
  if (paused) end("Paused");
  else begin();
});
document.addEventListener("visibilitychange", () => (document.hidden ? end("Paused") : begin()));
// A page that is left waits for no answer, also where the browser keeps it to come back to.
addEventListener("pagehide", () => end("Paused"));
addEventListener("pageshow", begin);
find("[data-live]").hidden = false;
begin();
