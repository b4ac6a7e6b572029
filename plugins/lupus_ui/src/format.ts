/** Numbers, dates and names as a person would say them. */

import type { DimensionValue, Kind, PointStatus, Series } from "./api";

// The API's sentences are English: numbers and dates beside them are, too.
const LOCALE = "en";
const NARROW = " "; // no-break space between number and unit, as in the API's sentences
const MINUS = "−";

const decimalsFor = (() => {
  const cache = new Map<string, Intl.NumberFormat>();
  return (decimals: number, compact = false) => {
    const key = `${decimals}/${compact}`;
    let format = cache.get(key);
    if (!format) {
      format = new Intl.NumberFormat(LOCALE, {
        maximumFractionDigits: decimals,
        ...(compact ? { notation: "compact" as const } : {}),
      });
      cache.set(key, format);
    }
    return format;
  };
})();

const plain = (value: number, decimals: number, compact = false) =>
  decimalsFor(Math.min(Math.max(decimals, 0), 10), compact).format(value === 0 ? 0 : value).replace("-", MINUS);

const clamp = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);

/** How many decimals leave `digits` significant ones. */
const significant = (value: number, digits: number) => (value === 0 ? 0 : digits - 1 - Math.floor(Math.log10(Math.abs(value))));

/** A share as percent, with two digits of its distance to 0 or 1, whichever is nearer: 57 %, 0.42 %, 99.97 %. */
export function formatRatio(value: number): string {
  const percent = value * 100;
  const distance = Math.min(Math.abs(percent), Math.abs(100 - percent));
  return `${plain(percent, clamp(significant(distance, 2), 0, 4))}${NARROW}%`;
}

const isCount = (kind: Kind, unit: string | null) => kind === "count" || unit === "rows" || unit === "values";

/** A value in its metric's own scale, without words for the unit. */
export function formatNumber(value: number, kind: Kind, unit: string | null): string {
  if (unit === "ratio") return formatRatio(value);
  if (isCount(kind, unit) && Number.isInteger(value)) return plain(value, 0);
  return plain(value, clamp(significant(value, 3), 0, 6));
}

const spelled = (unit: string | null) => (unit && !["ratio", "rows", "values"].includes(unit) ? unit : "");

export function formatValue(value: number | null, series: Pick<Series, "kind" | "unit">): string {
  if (value === null) return "–";
  const unit = spelled(series.unit);
  return formatNumber(value, series.kind, series.unit) + (unit ? NARROW + unit : "");
}

/** "0–6 %", "−3 to 5 minutes": the unit once, at the end; a dash beside a minus would read as another. */
export function formatRange(lower: number | null, upper: number | null, series: Pick<Series, "kind" | "unit">): string {
  const { kind, unit } = series;
  if (lower === null && upper === null) return "";
  if (lower === null) return `at most ${formatValue(upper, series)}`;
  if (upper === null) return `at least ${formatValue(lower, series)}`;
  const low = formatNumber(lower, kind, unit);
  const text = [unit === "ratio" ? low.replace(`${NARROW}%`, "") : low, formatValue(upper, series)];
  return text.join(text.some((part) => part.includes(MINUS)) ? " to " : "–");
}

/** How many decimals a step between labels needs: 0.25 needs two. */
function stepDecimals(step: number): number {
  for (let decimals = 0; decimals < 8; decimals++) {
    const scaled = step * 10 ** decimals;
    if (Math.abs(scaled - Math.round(scaled)) < 1e-6) return decimals;
  }
  return 8;
}

/** Axis labels: as many decimals as tell neighbours apart, SI prefixes for large numbers. On a logarithmic axis each label is its own step. */
export function formatTicks(values: readonly (number | null)[], even: number | "log", unit: string | null): string[] {
  return values.map((value) => {
    if (value === null) return "";
    const step = even === "log" ? Math.abs(value) : even;
    if (unit === "ratio") return `${plain(value * 100, stepDecimals(step * 100))}${NARROW}%`;
    if (Math.abs(value) < 10_000) return plain(value, stepDecimals(step));
    const scale = 1000 ** Math.floor(Math.log10(Math.abs(value)) / 3);
    return plain(value, Math.min(stepDecimals(step / scale), 3), true);
  });
}

export const formatCount = (value: number): string => plain(value, 0);

export const plural = (count: number, one: string, many = `${one}s`): string => `${formatCount(count)} ${count === 1 ? one : many}`;

const dateFormat = (() => {
  const cache = new Map<string, Intl.DateTimeFormat>();
  return (timeZone: string, options: Intl.DateTimeFormatOptions) => {
    const key = timeZone + JSON.stringify(options);
    let format = cache.get(key);
    if (!format) {
      format = new Intl.DateTimeFormat("en-GB", { timeZone, ...options });
      cache.set(key, format);
    }
    return format;
  };
})();

const dayOptions = { weekday: "short", day: "numeric", month: "short", year: "numeric" } as const;
const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
// en-GB writes "Sat, 9 Feb 2013"; the comma is only in the way.
const tidy = (text: string) => text.replace(",", "").replace("Sept", "Sep");

/** A period in the zone in which it was cut: "Sat 9 Feb 2013". */
export function formatPeriod(start: string, end: string, grain: string, timeZone: string): string {
  const from = new Date(start);
  const unit = grain.split(" ")[0];
  if (unit === "month") return dateFormat(timeZone, { month: "long", year: "numeric" }).format(from);
  const day = tidy(dateFormat(timeZone, dayOptions).format(from));
  if (unit === "hour") {
    const time = dateFormat(timeZone, clock);
    return `${day}, ${time.format(from)}–${time.format(new Date(end))}`;
  }
  return unit === "week" ? `Week of ${day}` : day;
}

/** The same period in UTC, for the hover title. */
export function utcPeriod(start: string, end: string, timeZone: string): string {
  const text = (instant: string) => new Date(instant).toISOString().slice(0, 16).replace("T", " ");
  return `${text(start)} to ${text(end)} UTC; cut in ${timeZone}`;
}

/** Labels for a time axis; the year stands below where it changes. */
export function formatTimes(seconds: readonly number[], step: number, timeZone: string): string[] {
  let yearBefore = "";
  let dayBefore = "";
  return seconds.map((second) => {
    const date = new Date(second * 1000);
    const year = dateFormat(timeZone, { year: "numeric" }).format(date);
    const newYear = year !== yearBefore;
    yearBefore = year;
    if (step >= 360 * 86_400) return year;
    if (step >= 86_400) {
      const options: Intl.DateTimeFormatOptions = step >= 28 * 86_400 ? { month: "short" } : { day: "numeric", month: "short" };
      return tidy(dateFormat(timeZone, options).format(date)) + (newYear ? `\n${year}` : "");
    }
    const day = tidy(dateFormat(timeZone, { day: "numeric", month: "short" }).format(date));
    const newDay = day !== dayBefore;
    dayBefore = day;
    return dateFormat(timeZone, clock).format(date) + (newDay ? `\n${day}` : "");
  });
}

/** "3 days ago", in the largest unit that is at least one. */
export function ago(instant: string, now = Date.now()): string {
  const seconds = (Date.parse(instant) - now) / 1000;
  const units: [Intl.RelativeTimeFormatUnit, number][] = [
    ["year", 365 * 86_400],
    ["month", 30 * 86_400],
    ["day", 86_400],
    ["hour", 3600],
    ["minute", 60],
  ];
  const [unit, length] = units.find(([, size]) => Math.abs(seconds) >= size) ?? ["minute", 60];
  return new Intl.RelativeTimeFormat(LOCALE, { numeric: "auto" }).format(Math.trunc(seconds / length), unit);
}

/** The date, as in an address, that an instant has in a zone. */
export const localDate = (second: number, timeZone: string): string => {
  const [day, month, year] = dateFormat(timeZone, { day: "2-digit", month: "2-digit", year: "numeric" }).format(second * 1000).split("/");
  return `${year}-${month}-${day}`;
};

/** The instant, in seconds, at which a date begins in a zone. */
export function instantOf(date: string, timeZone: string): number {
  const wanted = Date.parse(`${date}T00:00:00Z`);
  const wall = (instant: number) => {
    const parts = dateFormat(timeZone, { ...clock, second: "2-digit", year: "numeric", month: "2-digit", day: "2-digit" }).formatToParts(instant);
    const part = (type: string) => Number(parts.find((one) => one.type === type)?.value);
    return Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second"));
  };
  // The offset at the guess may be that of the other side of a change of clocks: the second step settles it.
  let instant = wanted;
  for (let step = 0; step < 2; step++) instant += wanted - wall(instant);
  return instant / 1000;
}

export const dimensionText = (value: DimensionValue): string => (value === null ? "NULL" : String(value));

/** `dep_time.null_ratio`; metrics of the whole table have no column. */
export const metricName = (series: Pick<Series, "column" | "metric">): string =>
  series.column === "*" ? series.metric : `${series.column}.${series.metric}`;

export const groupName = (series: Pick<Series, "dimensions">): string =>
  Object.entries(series.dimensions)
    .map(([name, value]) => `${name}=${dimensionText(value)}`)
    .join(", ");

export const seriesName = (series: Pick<Series, "dataset" | "column" | "metric" | "dimensions">): string =>
  [series.dataset, metricName(series), groupName(series)].filter(Boolean).join(" · ");

const STATUS_WORDS: Record<PointStatus, string> = {
  ok: "",
  undefined: "Undefined: nothing to compute it from",
  nan: "Not a number",
  inf: "Infinite",
  "-inf": "Infinite (negative)",
  failed: "Measuring failed",
  missing: "No data for this period",
  absent: "This group was absent",
};

export const statusWords = (status: PointStatus): string => STATUS_WORDS[status];

const REASON_WORDS: Record<string, string> = {
  point: "outside the expected range",
  threshold: "outside its fixed limits",
  insufficient_history: "too little history to judge",
  undefined: "no value to judge",
};

export const formatScore = (score: number | null): string =>
  score === null ? "" : `${plain(Math.abs(score), Math.abs(score) < 10 ? 1 : 0)} σ ${score < 0 ? "below" : "above"} expected`;

/** Why a point was judged as it was: "5.3 σ below expected, outside the expected range". */
export function judgementWords(score: number | null, reason: string | null): string {
  if (reason === null) return "";
  if (reason === "normal") return formatScore(score) || "as expected";
  return [formatScore(score), REASON_WORDS[reason] ?? reason.replaceAll("_", " ")].filter(Boolean).join(", ");
}
