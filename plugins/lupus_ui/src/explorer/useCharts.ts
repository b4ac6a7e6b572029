import { useCallback, useEffect, useRef, useState } from "react";

import { type Chart, type Charts, get, pathOf, Problem } from "../api";
import type { TimeRange } from "../view";

const BATCH = 12;

export interface ChartFeed {
  charts: ReadonlyMap<number, Chart>;
  problem: Problem | null;
  /** Says which series are on screen: only those are fetched. */
  see: (id: number, visible: boolean) => void;
}

/** Charts of the series on screen, fetched in batches; those of an earlier range stay until the new ones are there. */
export function useCharts(range: TimeRange["query"] | null, attempt: number): ChartFeed {
  const [charts, setCharts] = useState<ReadonlyMap<number, Chart>>(new Map());
  const [problem, setProblem] = useState<Problem | null>(null);
  const key = range === null ? null : `${range.from ?? ""}~${range.to ?? ""}#${attempt}`;
  const work = useRef({ visible: new Set<number>(), asked: new Set<number>(), timer: 0, run: () => {} });

  useEffect(() => {
    const { current } = work;
    if (key === null || range === null) return;
    const abort = new AbortController();
    current.asked = new Set();
    setProblem(null);
    current.run = () => {
      const ids = [...current.visible].filter((id) => !current.asked.has(id));
      for (let first = 0; first < ids.length; first += BATCH) {
        const batch = ids.slice(first, first + BATCH);
        for (const id of batch) current.asked.add(id);
        get<Charts>(pathOf("charts", { id: batch, ...range }), abort.signal).then(
          (answer) => setCharts((old) => new Map([...old, ...answer.charts.map((chart) => [chart.series.id, chart] as const)])),
          (error: unknown) => {
            if (!abort.signal.aborted) setProblem(error instanceof Problem ? error : new Problem(0, String(error)));
          },
        );
      }
    };
    current.run();
    return () => {
      abort.abort();
      clearTimeout(current.timer);
      current.run = () => {};
    };
    // `key` says all that matters of `range`.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [key]);

  const see = useCallback((id: number, visible: boolean) => {
    const { current } = work;
    if (visible) current.visible.add(id);
    else current.visible.delete(id);
    // A moment's wait turns a screenful of cards into one request, and spares those that were only scrolled past.
    clearTimeout(current.timer);
    current.timer = window.setTimeout(() => current.run(), 60);
  }, []);

  return { charts, problem, see };
}
