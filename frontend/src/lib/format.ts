/** Numbers and times as people read them. All times are UTC, as the server's are. */

export type Wire = number | "NaN" | "Infinity" | "-Infinity" | null | undefined;

const NONE = "–";
const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const dayFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const dateFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const monthFormat = new Intl.DateTimeFormat("en-GB", { month: "short", year: "numeric", timeZone: "UTC" });
const clockFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });

/** A number from the wire; null for what is none, or not finite. */
export function finite(value: Wire): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** A number with ``digits`` significant digits, thousands grouped, tiny and huge ones in powers of ten. */
export function number(value: Wire, digits = 3): string {
  if (value === "Infinity") return "∞";
  if (value === "-Infinity") return "−∞";
  const x = finite(value);
  if (x === null) return NONE;
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 1e9 || size < 1e-4) return power(x, digits);
  if (Number.isInteger(x) || size >= 10 ** digits) return minus(grouped.format(x));
  const decimals = Math.min(6, Math.max(0, digits - 1 - Math.floor(Math.log10(size))));
  return minus(x.toFixed(decimals));
}

function power(x: number, digits: number): string {
  const [mantissa = "", exponent = "0"] = x.toExponential(Math.max(0, Math.min(digits - 1, 1))).split("e");
  const raised = [...String(Number(exponent))].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(c)])).join("");
  return minus(`${mantissa}×10${raised}`);
}

function minus(text: string): string {
  return text.replace("-", "−");
}

/** A whole number, grouped. */
export function count(value: Wire): string {
  const x = finite(value);
  return x === null ? NONE : minus(grouped.format(x));
}

/** A noun with its number: ``1 model``, ``2 models``. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** A share as percent. */
export function percent(value: Wire, decimals = 1): string {
  const x = finite(value);
  return x === null ? NONE : `${minus((100 * x).toFixed(decimals))} %`;
}

/** How one metric's values are written, given its unit in the catalog. */
export function metric(value: Wire, unit = "", digits = 3): string {
  const x = finite(value);
  if (x === null) return number(value);
  if (unit === "seconds") return Math.abs(x) < 1e-4 ? `${number(x * 1e6, digits)} µs` : `${number(x * 1000, digits)} ms`;
  if (unit === "bytes") return bytes(x);
  if (unit === "per decision") return minus(x.toFixed(2));
  const size = Math.abs(x);
  if (size < 1 && size >= 1e-3) return minus(x.toFixed(digits));
  if (size >= 1 && size < 1000) return minus(x.toFixed(Math.max(0, digits - 1 - Math.floor(Math.log10(size)))));
  return number(x, Math.max(digits, 3));
}

/** A size in bytes. */
export function bytes(value: Wire): string {
  const x = finite(value);
  if (x === null) return NONE;
  const units = ["B", "kB", "MB", "GB", "TB"];
  const at = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(x, 1)) / 3)));
  return `${number(x / 1000 ** at)} ${units[at]}`;
}

/** A length of time in its two largest units. */
export function duration(seconds: Wire): string {
  const s = finite(seconds);
  if (s === null) return NONE;
  if (s < 1) return `${number(s * 1000)} ms`;
  if (s < 10) return `${minus(s.toFixed(1))} s`;
  const parts: [number, string][] = [
    [Math.floor(s / 86400), "d"],
    [Math.floor(s / 3600) % 24, "h"],
    [Math.floor(s / 60) % 60, "min"],
    [Math.floor(s) % 60, "s"],
  ];
  const first = parts.findIndex(([n]) => n > 0);
  return parts
    .slice(first, first + 2)
    .filter(([n]) => n > 0)
    .map(([n, unit]) => `${n} ${unit}`)
    .join(" ");
}

/** A day with its year. */
export function date(at: string | number): string {
  return dateFormat.format(new Date(at));
}

/** A month; January with its year. */
export function month(at: string | number): string {
  const [name = "", year = ""] = monthFormat.format(new Date(at)).split(" ");
  return new Date(at).getUTCMonth() === 0 ? `${name} ${year}` : name;
}

/** A day without its year. */
export function day(at: string | number): string {
  return dayFormat.format(new Date(at));
}

/** A time of day. */
export function clock(at: string | number): string {
  return clockFormat.format(new Date(at));
}

/** A day and the time. */
export function moment(at: string | number): string {
  return `${date(at)}, ${clock(at)}`;
}

/**
 * What time it is to the server, in milliseconds, from what it said last (``told``) and the browser's own clock
 * (``here``). On a wall clock it says whole minutes, which would put what has just happened into the future.
 */
export function clockOf(told: number, here: number): number {
  return here >= told && here - told < 90_000 ? here : told;
}

/** How long before ``now`` (milliseconds) something was. */
export function ago(at: string, now: number): string {
  const seconds = (now - Date.parse(at)) / 1000;
  if (seconds < 0) return `in ${span(-seconds)}`;
  return seconds < 45 ? "just now" : `${span(seconds)} ago`;
}

/** A length of time in its largest unit, in words. */
export function span(seconds: number): string {
  const units: [number, string][] = [
    [86400 * 365.25, "year"],
    [86400 * 30.44, "month"],
    [86400, "day"],
    [3600, "hour"],
    [60, "minute"],
  ];
  for (const [size, unit] of units) {
    const n = Math.floor(seconds / size);
    if (n >= (unit === "month" ? 2 : 1)) return plural(n, unit);
  }
  return plural(Math.round(seconds), "second");
}

/** The first characters of a digest. */
export function short(digest: string): string {
  return digest.slice(0, 10);
}

/** A parameter, a tag or another plain value. */
export function plain(value: unknown): string {
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : minus(String(Number(value.toPrecision(6))));
  if (value === null || value === undefined) return NONE;
  return String(value);
}

/** A name of the wire in words: ``beats_champion`` becomes ``beats champion``. */
export function words(name: string): string {
  return name.replaceAll("_", " ");
}
