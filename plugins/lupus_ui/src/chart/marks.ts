/** What is drawn over the lines: anomalies, gaps, notes, the selected period. */

import type uPlot from "uplot";

import type { Chart, Severity } from "../api";
import type { Palette } from "./palette";

/** A shape per severity, for those who do not tell the colours apart: circle, triangle, diamond. */
export function severityPath(severity: Severity, x: number, y: number, radius: number): Path2D {
  const path = new Path2D();
  if (severity === "warning") {
    path.arc(x, y, radius * 0.85, 0, 2 * Math.PI);
  } else if (severity === "major") {
    path.moveTo(x, y - radius * 1.1);
    path.lineTo(x + radius, y + radius * 0.8);
    path.lineTo(x - radius, y + radius * 0.8);
  } else {
    path.moveTo(x, y - radius * 1.25);
    path.lineTo(x + radius * 1.25, y);
    path.lineTo(x, y + radius * 1.25);
    path.lineTo(x - radius * 1.25, y);
  }
  path.closePath();
  return path;
}

export interface Marks {
  chart: Chart;
  palette: Palette;
  /** Small charts carry no words. */
  small: boolean;
  selected: number | null;
}

export function drawMarks(plot: uPlot, { chart, palette, small, selected }: Marks): void {
  const context = plot.ctx;
  const ratio = devicePixelRatio;
  const { left, top, width, height } = plot.bbox;
  const bottom = top + height;
  const xOf = (index: number) => plot.valToPos(Date.parse(chart.start[index]!) / 1000, "x", true);
  const inside = (x: number) => x >= left - 1 && x <= left + width + 1;
  context.save();

  // Gaps: a tick at the axis, for a period without a value is neither zero nor on a straight line.
  for (let index = 0; index < chart.start.length; index++) {
    const status = chart.status[index]!;
    if (chart.value[index] !== null || status === "ok") continue;
    const x = xOf(index);
    if (!inside(x)) continue;
    context.fillStyle = status === "failed" ? palette.failed : palette.gap;
    const tick = (small ? 6 : 10) * ratio;
    context.fillRect(x - ratio, bottom - tick, 2 * ratio, tick);
  }

  // Values between two gaps: a line needs two points, so that without a dot they would be invisible.
  context.fillStyle = palette.line;
  for (let index = 0; index < chart.start.length; index++) {
    const value = chart.value[index] ?? null;
    if (value === null || (chart.value[index - 1] ?? null) !== null || (chart.value[index + 1] ?? null) !== null) continue;
    const x = xOf(index);
    if (!inside(x)) continue;
    context.beginPath();
    context.arc(x, plot.valToPos(value, "y", true), 1.5 * ratio, 0, 2 * Math.PI);
    context.fill();
  }

  let taken = left;
  for (const note of chart.annotations) {
    const x = plot.valToPos(Date.parse(note.start) / 1000, "x", true);
    if (!inside(x)) continue;
    context.strokeStyle = palette.note;
    context.lineWidth = ratio;
    context.setLineDash([4 * ratio, 3 * ratio]);
    context.beginPath();
    context.moveTo(x, top);
    context.lineTo(x, bottom);
    context.stroke();
    context.setLineDash([]);
    if (small) continue;
    const text = note.text.length > 40 ? `${note.text.slice(0, 39)}…` : note.text;
    context.font = `${12 * ratio}px ${palette.font}`;
    context.fillStyle = palette.note;
    context.textBaseline = "bottom";
    const wide = context.measureText(text).width;
    const from = Math.max(Math.min(x, left + width - wide), 0);
    // Where two would cover each other the first one stands; the pointer's note says the other.
    if (from < taken) continue;
    context.textAlign = "left";
    context.fillText(text, from, top - 2 * ratio);
    taken = from + wide + 8 * ratio;
  }

  if (selected !== null && inside(xOf(selected))) {
    const x = xOf(selected);
    context.strokeStyle = palette.select;
    context.lineWidth = 1.5 * ratio;
    context.beginPath();
    context.moveTo(x, top);
    context.lineTo(x, bottom);
    context.stroke();
    const value = chart.value[selected] ?? null;
    if (value !== null) {
      context.beginPath();
      context.arc(x, plot.valToPos(value, "y", true), 9 * ratio, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  for (let index = 0; index < chart.start.length; index++) {
    const severity = chart.severity[index] ?? null;
    if (severity === null) continue;
    const x = xOf(index);
    if (!inside(x)) continue;
    const value = chart.value[index] ?? null;
    const y = value === null ? bottom : plot.valToPos(value, "y", true);
    const path = severityPath(severity, x, Number.isFinite(y) ? y : bottom, (small ? 4 : 5.5) * ratio);
    context.lineWidth = 2 * ratio;
    context.strokeStyle = palette.ground;
    context.stroke(path);
    context.fillStyle = palette[severity];
    context.fill(path);
  }
  context.restore();
}
