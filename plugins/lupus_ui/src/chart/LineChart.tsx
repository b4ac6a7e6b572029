import { useEffect, useMemo, useRef } from "react";
import uPlot from "uplot";
import styles from "uplot/dist/uPlot.min.css?inline";

import type { Chart } from "../api";
import { formatTicks, formatTimes } from "../format";
import { downsample } from "./downsample";
import { drawMarks } from "./marks";
import { usePalette } from "./palette";
import { yRange } from "./range";

const sheet = document.createElement("style");
sheet.textContent = styles;
document.head.append(sheet);

export interface Hover {
  /** Position in the chart's columns. */
  index: number;
  /** Where the point is, in pixels from the chart's left and top. */
  left: number;
  top: number;
  /** Width of the chart. */
  width: number;
  /** Whether the pointer is over this chart, or over another one with the same cursor. */
  own: boolean;
}

// Steps of the time axis, never finer than the periods themselves; months and years as uPlot counts them.
const HOUR = 3600;
const DAY = 24 * HOUR;
const HOURS = [1, 2, 3, 4, 6, 8, 12].map((count) => count * HOUR);
const DAYS = [1, 2, 3, 4, 5, 6, 7, 8, 10, 15, 30, 60, 90, 120, 180, 365, 730, 1825, 3650].map((count) => count * DAY);

/** Position of the value among uPlot's columns; the first is the time. */
const VALUE = 4;

interface Props {
  chart: Chart;
  height: number;
  axis: [number, number] | null;
  /** Charts with the same key share one cursor. */
  cursor: string;
  small?: boolean;
  log?: boolean;
  selected?: number | null;
  onHover?: (hover: Hover | null) => void;
  onSelect?: (index: number) => void;
  onZoom?: (zoom: [number, number] | null) => void;
}

export function LineChart({ chart, height, axis, cursor, small = false, log = false, selected = null, ...events }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const palette = usePalette();
  // Read by uPlot's hooks, which outlive a rendering: a new handler or selection must not build the chart anew.
  const now = useRef({ ...events, selected });
  now.current = { ...events, selected };

  const [left, right] = axis ?? [null, null];
  const times = useMemo(() => chart.start.map((text) => Date.parse(text) / 1000), [chart]);

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const { unit, kind, timezone, grain } = chart.series;
    const [from, to] = [left ?? -Infinity, right ?? Infinity];
    // Only what is in sight is thinned out, so that zooming in brings back every point; one more on each side leads the line out of sight.
    const first = Math.max(times.findIndex((time) => time >= from) - 1, 0);
    const last = times.findLastIndex((time) => time <= to) + 2;
    const seen = { value: chart.value.slice(first, last), severity: chart.severity.slice(first, last) };
    const picked = downsample(seen, Math.max(element.clientWidth, 200)).map((index) => index + first);
    const pick = (column: readonly (number | null)[]) => picked.map((index) => (log && (column[index] ?? 0) <= 0 ? null : (column[index] ?? null)));
    // On a logarithmic axis a band down to zero reaches the frame.
    const floor = log ? Math.min(...[...chart.value, ...chart.expected].filter((value): value is number => value !== null && value > 0)) : 0;
    const lower = log ? chart.lower.map((value) => (value !== null && value < floor ? floor / 1.5 : value)) : chart.lower;
    const x = picked.map((index) => times[index]!);
    // What lies between the marks must not be cut off at the edges.
    const margin = small ? 0.015 : 0.01;
    const zeroed = kind === "ratio" || kind === "count";
    const text = `${small ? 11 : 12}px ${palette.font}`;

    const options: uPlot.Options = {
      width: element.clientWidth,
      height,
      legend: { show: false },
      padding: [small ? 8 : 22, small ? 14 : 18, 0, 0],
      tzDate: (second) => uPlot.tzDate(new Date(second * 1000), timezone),
      cursor: {
        sync: { key: cursor, setSeries: false, scales: ["x", null] },
        drag: { x: Boolean(now.current.onZoom), y: false, setScale: false },
        // A dot on the value only, not on the band's edges.
        points: { size: (_, position) => (position === VALUE ? (small ? 5 : 7) : 0), fill: palette.line },
        y: false,
        // A double click resets the zoom through us: the zoom is part of the page's address.
        bind: {
          dblclick: () => () => {
            now.current.onZoom?.(null);
            return null;
          },
        },
      },
      scales: {
        x: {
          time: true,
          range: (_, low, high) => {
            const space = ((right ?? high) - (left ?? low)) * margin || DAY;
            return [(left ?? low) - space, (right ?? high) + space];
          },
        },
        y: {
          distr: log ? 3 : 1,
          range: (_, low, high) => yRange(low, high, zeroed, log, unit),
        },
      },
      axes: [
        {
          stroke: palette.text,
          font: text,
          grid: { show: false },
          ticks: { stroke: palette.gap, width: 1, size: 4 },
          space: small ? 60 : 70,
          size: small ? 36 : 42,
          incrs: grain.startsWith("hour") ? [...HOURS, ...DAYS] : DAYS,
          values: (_, splits, __, ___, step) => formatTimes(splits, step, timezone),
        },
        {
          stroke: palette.text,
          font: text,
          grid: { stroke: palette.grid, width: 1 },
          ticks: { show: false },
          space: small ? 26 : 40,
          size: small ? 48 : 56,
          gap: 6,
          values: (_, splits, __, ___, step) => formatTicks(splits, log ? "log" : step, unit),
        },
      ],
      series: [
        {},
        { stroke: "transparent", width: 0, points: { show: false } },
        { stroke: "transparent", width: 0, points: { show: false } },
        { stroke: palette.expected, width: 1, dash: [3, 3], points: { show: false } },
        { stroke: palette.line, width: small ? 1.25 : 1.5, points: { show: false } },
      ],
      bands: [{ series: [2, 1], fill: palette.band }],
      hooks: {
        draw: [(self) => drawMarks(self, { chart, palette, small, selected: now.current.selected })],
        setCursor: [
          (self) => {
            const at = self.cursor.idx;
            const index = at === null || at === undefined || (self.cursor.left ?? -1) < 0 ? null : picked[at];
            if (index === null || index === undefined) {
              now.current.onHover?.(null);
              return;
            }
            const value = chart.value[index] ?? null;
            now.current.onHover?.({
              index,
              left: self.valToPos(times[index]!, "x") + self.bbox.left / devicePixelRatio,
              top: (value === null ? self.bbox.height / devicePixelRatio : self.valToPos(value, "y")) + self.bbox.top / devicePixelRatio,
              width: self.width,
              own: self.over.matches(":hover"),
            });
          },
        ],
        setSelect: [
          (self) => {
            const { left, width } = self.select;
            if (width > 4) now.current.onZoom?.([self.posToVal(left, "x"), self.posToVal(left + width, "x")]);
            self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          },
        ],
      },
    };
    const data: uPlot.AlignedData = [x, pick(lower), pick(chart.upper), pick(chart.expected), pick(chart.value)];
    const made = new uPlot(options, data, element);
    plot.current = made;

    let pressedAt = 0;
    const press = (event: MouseEvent) => {
      pressedAt = event.clientX;
    };
    const click = (event: MouseEvent) => {
      const at = made.cursor.idx;
      const index = at === null || at === undefined ? undefined : picked[at];
      // The end of a brush is no click.
      if (Math.abs(event.clientX - pressedAt) < 4 && index !== undefined) now.current.onSelect?.(index);
    };
    made.over.addEventListener("mousedown", press);
    made.over.addEventListener("click", click);
    const resize = new ResizeObserver(() => {
      if (element.clientWidth > 0 && element.clientWidth !== made.width) made.setSize({ width: element.clientWidth, height });
    });
    resize.observe(element);
    return () => {
      resize.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [chart, times, left, right, height, cursor, small, log, palette]);

  useEffect(() => plot.current?.redraw(false), [selected]);

  return <div ref={place} style={{ height, width: "100%", overflow: "hidden" }} aria-hidden />;
}
