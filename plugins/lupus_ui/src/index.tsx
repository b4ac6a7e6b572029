import { Box } from "@chakra-ui/react";
import { type RefObject, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useLocation, useNavigate } from "react-router-dom";

import { type Datasets, pathOf, useGet } from "./api";
import { Detail } from "./detail/Detail";
import { Explorer } from "./explorer/Explorer";
import { timeRange, useView } from "./view";

/** What Airflow passes to a plugin's component; on the navigation's page all of it is absent. */
interface Props {
  dagId?: string;
}

export default function Lupus(props: Props) {
  return useSettled() ? <Page {...props} /> : null;
}

let settled = false;

/**
 * Airflow renders a freshly loaded plugin as a lazy component, and from the next navigation on as itself: React then builds the page anew,
 * which would take the focus out of the search field after its first letters. So that navigation happens here, before there is a page.
 */
function useSettled(): boolean {
  const [ready, setReady] = useState(settled);
  const navigate = useNavigate();
  const here = useLocation();
  useEffect(() => {
    if (ready) return;
    settled = true;
    void navigate(here, { replace: true });
    const timer = setTimeout(() => setReady(true), 50);
    return () => clearTimeout(timer);
    // Once, at the first mounting.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, []);
  return ready;
}

function Page({ dagId }: Props) {
  const [view, change] = useView();
  const [attempt, setAttempt] = useState(0);
  useFreshness(() => setAttempt((before) => before + 1));
  // All time first: quick ranges count back from the newest data, which this says.
  const ever = useGet<Datasets>(pathOf("datasets", { dag_id: dagId }), attempt);
  const known = ever.data?.datasets;
  const range = useMemo(() => (known ? timeRange(view, known) : null), [known, view]);
  const bounded = range !== null && (range.query.from !== undefined || range.query.to !== undefined);
  const within = useGet<Datasets>(bounded ? pathOf("datasets", { dag_id: dagId, ...range.query }) : null, attempt);
  const common = {
    view,
    change,
    range,
    problem: ever.error ?? within.error,
    onRetry: () => setAttempt(attempt + 1),
    attempt,
    dagId,
  };
  const root = useRef<HTMLDivElement>(null);
  useScrollMemory(root, view.series);
  // Once seen the list stays, hidden behind a chart, so that going back finds it as it was.
  const listed = useRef(false);
  listed.current ||= view.series === null;
  return (
    <Box ref={root} p={{ base: 2, md: 4 }} width="100%" minWidth={0} data-testid="lupus">
      {listed.current ? (
        <Box display={view.series === null ? "block" : "none"}>
          <Explorer
            {...common}
            range={view.series === null ? range : null}
            datasets={bounded ? within.data?.datasets : known}
            anomalousEver={known?.reduce((sum, dataset) => sum + dataset.anomalous_series, 0) ?? 0}
          />
        </Box>
      ) : null}
      {view.series === null ? null : <Detail {...common} id={view.series} />}
    </Box>
  );
}

const STALE = 5 * 60_000;

/** Who comes back to a page left open overnight wants this morning's data, not yesterday's. */
function useFreshness(reload: () => void): void {
  const latest = useRef(reload);
  latest.current = reload;
  useEffect(() => {
    let loaded = Date.now();
    const look = () => {
      if (document.visibilityState !== "visible" || Date.now() - loaded < STALE) return;
      loaded = Date.now();
      latest.current();
    };
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
}

function scrollerOf(element: HTMLElement | null): HTMLElement | null {
  for (let box = element; box; box = box.parentElement) {
    if (/auto|scroll/.test(getComputedStyle(box).overflowY) && box.scrollHeight > box.clientHeight) return box;
  }
  return null;
}

/** A chart opens at its top; the list comes back where it was left. Airflow, not we, owns what scrolls. */
function useScrollMemory(root: RefObject<HTMLDivElement | null>, series: number | null): void {
  const left = useRef(0);
  useLayoutEffect(() => {
    const scroller = scrollerOf(root.current);
    if (scroller) scroller.scrollTop = series === null ? left.current : 0;
    if (series !== null) return;
    const keep = (event: Event) => {
      if (event.target instanceof HTMLElement && event.target.contains(root.current)) left.current = event.target.scrollTop;
    };
    document.addEventListener("scroll", keep, { capture: true, passive: true });
    return () => document.removeEventListener("scroll", keep, { capture: true });
  }, [root, series]);
}
