/** What the page shows, as its address says it: every view has a permanent link. */

import { useCallback, useMemo, useRef } from "react";
import { useSearchParams } from "react-router-dom";

import type { Dataset, DimensionValue, Query } from "./api";
import { instantOf } from "./format";

export const RANGES = ["30", "90", "365", "all"] as const;
export type QuickRange = (typeof RANGES)[number];
export const DEFAULT_RANGE: QuickRange = "90";
export const ORDERS = ["worst", "newest", "name"] as const;
export type Order = (typeof ORDERS)[number];

export interface View {
  dataset: string[];
  column: string[];
  metric: string[];
  level: string[];
  /** `name:<JSON value>`, as the API takes it. */
  dim: string[];
  q: string;
  anomalous: boolean;
  order: Order;
  range: QuickRange | "custom";
  /** Dates of a custom range, both included; empty: open. */
  from: string;
  to: string;
  series: number | null;
  /** Start of the selected period. */
  at: string;
  /** Seconds between which the large chart is zoomed. */
  zoom: [number, number] | null;
  log: boolean;
  table: "anomalies" | "all";
}

const oneOf = <T extends string>(value: string | null, allowed: readonly T[], otherwise: T): T =>
  allowed.includes(value as T) ? (value as T) : otherwise;
const isDate = (text: string | null): text is string => text !== null && /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text));

export function parseView(search: URLSearchParams): View {
  const from = search.get("from");
  const to = search.get("to");
  const series = Number(search.get("series") ?? "");
  const at = search.get("at") ?? "";
  const zoom = (search.get("zoom") ?? "").split("~").map(Number);
  const custom = isDate(from) || isDate(to);
  return {
    dataset: search.getAll("dataset"),
    column: search.getAll("column"),
    metric: search.getAll("metric"),
    level: search.getAll("level"),
    dim: search.getAll("dim"),
    q: search.get("q") ?? "",
    anomalous: search.get("anomalous") === "true",
    order: oneOf(search.get("order"), ORDERS, "worst"),
    range: custom ? "custom" : oneOf(search.get("range"), RANGES, DEFAULT_RANGE),
    from: isDate(from) ? from : "",
    to: isDate(to) ? to : "",
    series: Number.isInteger(series) && series > 0 ? series : null,
    at: Number.isNaN(Date.parse(at)) ? "" : at,
    zoom: zoom.length === 2 && zoom[0]! < zoom[1]! ? [zoom[0]!, zoom[1]!] : null,
    log: search.get("log") === "true",
    table: oneOf(search.get("table"), ["anomalies", "all"], "anomalies"),
  };
}

/** The address of a view: what is as by default is left out, what is not ours is kept. */
export function writeView(view: View, search: URLSearchParams): URLSearchParams {
  const next = new URLSearchParams(search);
  const set = (name: string, value: string | readonly string[]) => {
    next.delete(name);
    for (const item of typeof value === "string" ? [value] : value) if (item) next.append(name, item);
  };
  for (const name of ["dataset", "column", "metric", "level", "dim"] as const) set(name, view[name]);
  set("q", view.q);
  set("anomalous", view.anomalous ? "true" : "");
  set("order", view.order === "worst" ? "" : view.order);
  set("range", view.range === "custom" || view.range === DEFAULT_RANGE ? "" : view.range);
  set("from", view.range === "custom" ? view.from : "");
  set("to", view.range === "custom" ? view.to : "");
  set("series", view.series === null ? "" : String(view.series));
  set("at", view.at);
  set("zoom", view.zoom ? view.zoom.map(Math.round).join("~") : "");
  set("log", view.log ? "true" : "");
  set("table", view.table === "anomalies" ? "" : view.table);
  return next;
}

export type Change = (change: Partial<View>, how?: { replace: boolean }) => void;

export function useView(): [View, Change] {
  const [search, setSearch] = useSearchParams();
  const view = useMemo(() => parseView(search), [search]);
  // The router's own updater sees the address as of the last rendering: a second change before the next one would undo the first.
  const latest = useRef({ search, setSearch });
  latest.current = { search, setSearch };
  const change = useCallback<Change>((part, how) => {
    const { current } = latest;
    current.search = writeView({ ...parseView(current.search), ...part }, current.search);
    current.setSearch(current.search, { replace: how?.replace ?? false, preventScrollReset: true });
  }, []);
  return [view, change];
}

/** The address of one series within the same filters. */
export const seriesSearch = (id: number): string => {
  const here = new URLSearchParams(globalThis.location.search);
  return `?${writeView({ ...parseView(here), series: id, at: "", zoom: null }, here)}`;
};

export const dimText = (name: string, value: DimensionValue): string => `${name}:${JSON.stringify(value)}`;

export const NO_FILTERS = { dataset: [], column: [], metric: [], level: [], dim: [], q: "", anomalous: false } satisfies Partial<View>;

export const hasFilters = (view: View): boolean =>
  view.anomalous || view.q !== "" || [view.dataset, view.column, view.metric, view.level, view.dim].some((list) => list.length > 0);

export function filterQuery(view: View): Query {
  const { dataset, column, metric, level, dim, q, order } = view;
  return { dataset, column, metric, level, dim, q, order, anomalous: view.anomalous || null };
}

/** Instants of the shown time: ISO for the API (absent: open), seconds for the axis. */
export interface TimeRange {
  query: { from?: string; to?: string };
  axis: [number, number] | null;
  /** In which the dates of a custom range are meant. */
  zone: string;
}

const DAY = 86_400;

/** Quick ranges end at the newest data, not now: data of last year is as worth a look as today's. */
export function timeRange(view: View, datasets: readonly Dataset[]): TimeRange {
  const seconds = (instants: (string | null)[]) => instants.filter((text) => text !== null).map((text) => Date.parse(text) / 1000);
  const firsts = seconds(datasets.map((one) => one.first_period));
  const lasts = seconds(datasets.map((one) => one.last_period));
  const oldest = firsts.length ? Math.min(...firsts) : null;
  const newest = lasts.length ? Math.max(...lasts) : null;
  const zone = datasets.find((one) => view.dataset.includes(one.name))?.timezone ?? datasets[0]?.timezone ?? "UTC";
  let from: number | null = null;
  let to: number | null = null;
  // Points stand at the start of their period: the axis ends where the last day begins, unless there are points within the day.
  let last: number | null = null;
  if (view.range === "custom") {
    from = view.from ? instantOf(view.from, zone) : null;
    to = view.to ? instantOf(nextDay(view.to), zone) : null;
    last = view.to && !datasets.some((one) => one.grain.startsWith("hour")) ? instantOf(view.to, zone) : to;
  } else if (view.range !== "all" && newest !== null) {
    // An hour to spare: across a change of clocks local midnights are not a multiple of 24 hours apart.
    from = newest - (Number(view.range) - 1) * DAY - 3600;
    // A link to one period shows it, whatever the usual range.
    if (view.at && Date.parse(view.at) / 1000 < from) from = null;
  }
  const iso = (time: number) => new Date(time * 1000).toISOString().replace(".000Z", "Z");
  const left = from ?? oldest;
  const right = last ?? newest;
  return {
    query: { ...(from === null ? {} : { from: iso(from) }), ...(to === null ? {} : { to: iso(to) }) },
    axis: left !== null && right !== null && left < right ? [left, right] : null,
    zone,
  };
}

const nextDay = (date: string) => new Date(Date.parse(date) + DAY * 1000).toISOString().slice(0, 10);

export function rangeWords(view: View): string {
  if (view.range === "all") return "in all the data";
  if (view.range !== "custom") return `in the newest ${view.range} days`;
  if (view.from && view.to) return view.from === view.to ? `on ${view.from}` : `from ${view.from} to ${view.to}`;
  return view.from ? `since ${view.from}` : `until ${view.to}`;
}
