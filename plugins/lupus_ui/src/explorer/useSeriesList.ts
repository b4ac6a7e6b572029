import { useCallback, useEffect, useRef, useState } from "react";

import { get, pathOf, Problem, type Query, type SeriesPage } from "../api";

const PAGE = 48;

interface List {
  key: string;
  page: SeriesPage;
}

export interface SeriesList {
  page: SeriesPage | undefined;
  error: Problem | undefined;
  loading: boolean;
  more: () => void;
}

/** The series that match, page by page; the old list stays until the new one is there. */
export function useSeriesList(query: Query | null, attempt: number): SeriesList {
  const [list, setList] = useState<List | null>(null);
  const loaded = useRef(list);
  loaded.current = list;
  const [error, setError] = useState<{ key: string; problem: Problem } | null>(null);
  const [wanted, setWanted] = useState<{ key: string; offset: number }>({ key: "", offset: 0 });
  const key = query === null ? null : `${pathOf("series", { ...query, limit: PAGE })}#${attempt}`;
  const offset = wanted.key === key ? wanted.offset : 0;

  useEffect(() => {
    if (key === null || query === null) return;
    // Back from a chart: what was loaded is still there.
    if (loaded.current?.key === key && loaded.current.page.series.length > offset) return;
    const abort = new AbortController();
    get<SeriesPage>(pathOf("series", { ...query, limit: PAGE, offset }), abort.signal).then(
      (page) =>
        setList((old) => ({ key, page: offset > 0 && old?.key === key ? { ...page, facets: old.page.facets, series: [...old.page.series, ...page.series] } : page })),
      (problem: unknown) => {
        if (!abort.signal.aborted) setError({ key, problem: problem instanceof Problem ? problem : new Problem(0, String(problem)) });
      },
    );
    return () => abort.abort();
    // `key` says all that matters of `query`.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [key, offset]);

  const shown = list?.page.series.length ?? 0;
  const complete = list === null || list.key !== key || shown >= list.page.total;
  const more = useCallback(() => {
    if (!complete && key !== null) setWanted({ key, offset: shown });
  }, [complete, key, shown]);

  return { page: list?.page, error: error && error.key === key ? error.problem : undefined, loading: list?.key !== key, more };
}
