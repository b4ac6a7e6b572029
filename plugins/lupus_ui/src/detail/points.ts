import type { Chart, Severity } from "../api";

const RANK: Record<Severity, number> = { warning: 1, major: 2, critical: 3 };

export const anomalies = (chart: Chart): number[] => chart.severity.flatMap((severity, index) => (severity ? [index] : []));

/** What one wants to see first: the asked period, else the worst anomaly, else the newest period. */
export function firstSelection(chart: Chart, at: string): number | null {
  if (chart.start.length === 0) return null;
  if (at) {
    const instant = Date.parse(at);
    const asked = chart.start.findIndex((start, index) => Date.parse(start) <= instant && instant < Date.parse(chart.end[index]!));
    if (asked >= 0) return asked;
  }
  const badness = (index: number) => RANK[chart.severity[index]!] * 1e6 + Math.min(Math.abs(chart.score[index] ?? 0), 1e5);
  return anomalies(chart).reduce<number | null>((worst, index) => (worst === null || badness(index) > badness(worst) ? index : worst), null) ?? chart.start.length - 1;
}
