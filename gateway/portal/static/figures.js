// Numbers in words, as gateway/portal/spelling.py spells them.

const NONE = "–";
const GAP = "\u00a0";

function short(number) {
  if (number === 0) return "0";
  if (number < 0.01) return "<0.01";
  const digits = number < 0.995 ? 2 : number < 9.95 ? 1 : 0;
  return number.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

export function seconds(value) {
  if (value === null) return NONE;
  return value >= 0.995 ? `${short(value)}${GAP}s` : `${short(value * 1000)}${GAP}ms`;
}

export function rate(value) {
  return value === null ? NONE : `${short(value)}${GAP}req/s`;
}

export function share(value) {
  return value === null ? NONE : `${short(value * 100)}${GAP}%`;
}

export function size(value) {
  for (const unit of ["B", "KiB", "MiB"]) {
    if (value < 1024) return `${short(value)}${GAP}${unit}`;
    value /= 1024;
  }
  return `${short(value)}${GAP}GiB`;
}

export function duration(value) {
  const [minutes, hours, days] = [60, 3600, 86400].map((part) => Math.floor(value / part));
  if (days) return `${days}${GAP}d ${hours % 24}${GAP}h`;
  if (hours) return `${hours}${GAP}h ${minutes % 60}${GAP}min`;
  return minutes ? `${minutes}${GAP}min` : `${Math.floor(value)}${GAP}s`;
}

export function count(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

export function clock(time) {
  return String(time).slice(11, 19);
}
