import { Box, Button, Flex, Grid, Heading, HStack, Input, Skeleton, Switch, Text } from "@chakra-ui/react";
import { useEffect, useRef, useState } from "react";

import type { Dataset, Problem, SeriesPage } from "../api";
import { formatCount, plural } from "../format";
import { Select } from "../ui/Choice";
import { Empty, ErrorNote, FirstSteps } from "../ui/notes";
import { RangePicker } from "../ui/RangePicker";
import { SEVERITIES, SeverityBadge } from "../ui/severity";
import { type Change, filterQuery, hasFilters, NO_FILTERS, type Order, rangeWords, type TimeRange, type View } from "../view";
import { DatasetStrip } from "./DatasetStrip";
import { Facets } from "./Facets";
import { SeriesCard } from "./SeriesCard";
import { useCharts } from "./useCharts";
import { useSeriesList } from "./useSeriesList";

const ORDER_WORDS: readonly (readonly [Order, string])[] = [
  ["worst", "Worst first"],
  ["newest", "Newest anomaly first"],
  ["name", "By name"],
];

interface Props {
  view: View;
  change: Change;
  range: TimeRange | null;
  datasets: readonly Dataset[] | undefined;
  /** Series with an anomaly at any time, to say so when the chosen time has none. */
  anomalousEver: number;
  problem: Problem | undefined;
  onRetry: () => void;
  attempt: number;
  dagId: string | undefined;
}

export function Explorer({ view, change, range, datasets, anomalousEver, problem, onRetry, attempt, dagId }: Props) {
  const list = useSeriesList(range && { ...filterQuery(view), ...range.query, dag_id: dagId }, attempt);
  const feed = useCharts(range?.query ?? null, attempt);
  const [facetsOpen, setFacetsOpen] = useState(false);
  const { page } = list;
  const error = problem ?? list.error ?? feed.problem;

  return (
    <Box>
      <Flex justify="space-between" align="flex-start" gap={3} wrap="wrap" mb={3}>
        <Box minWidth={0}>
          {dagId === undefined ? <Heading size="lg">Metrics</Heading> : null}
          {error && !page ? null : <Status view={view} change={change} page={page} anomalousEver={anomalousEver} />}
        </Box>
        {datasets?.length === 0 ? null : <RangePicker view={view} change={change} shown={range} />}
      </Flex>
      {error ? <ErrorNote problem={error} onRetry={onRetry} /> : null}
      {datasets?.length === 0 ? (
        <FirstSteps dagId={dagId} />
      ) : error && !page ? null : (
        <>
          {datasets ? <DatasetStrip datasets={datasets} view={view} change={change} inDag={dagId !== undefined} /> : <Skeleton height="112px" />}
          <HStack gap={3} my={4} wrap="wrap">
            <Search view={view} change={change} />
            <Button size="sm" variant="outline" display={{ base: "inline-flex", lg: "none" }} aria-expanded={facetsOpen} onClick={() => setFacetsOpen(!facetsOpen)}>
              Filters
            </Button>
            <Switch.Root size="sm" checked={view.anomalous} onCheckedChange={(event) => change({ anomalous: event.checked })}>
              <Switch.HiddenInput />
              <Switch.Control />
              <Switch.Label>Anomalous only</Switch.Label>
            </Switch.Root>
            <Select label="Order" value={view.order} options={ORDER_WORDS} onChange={(order) => change({ order })} />
            {hasFilters(view) ? (
              <Button size="sm" variant="ghost" onClick={() => change(NO_FILTERS)}>
                Clear filters
              </Button>
            ) : null}
          </HStack>
          <Flex gap={6} align="flex-start" direction={{ base: "column", lg: "row" }}>
            {page && !page.facets.some((facet) => facet.values.length > 0) ? null : (
              <Box
                as="aside"
                aria-label="Filters"
                width={{ base: "100%", lg: "210px" }}
                flexShrink={0}
                position={{ lg: "sticky" }}
                top={2}
                maxHeight={{ lg: "calc(100vh - 1rem)" }}
                overflowY={{ lg: "auto" }}
                display={{ base: facetsOpen ? "block" : "none", lg: "block" }}
                borderWidth={{ base: 1, lg: 0 }}
                borderRadius="md"
                p={{ base: 3, lg: 0 }}
              >
                {page ? <Facets facets={page.facets} view={view} change={change} /> : <Skeleton height="300px" />}
              </Box>
            )}
            <Box flex={1} minWidth={0} width="100%">
              <Cards list={list} feed={feed} range={range} view={view} change={change} />
            </Box>
          </Flex>
        </>
      )}
    </Box>
  );
}

/** The one glance: how many series are anomalous, by severity. */
function Status({ view, change, page, anomalousEver }: Pick<Props, "view" | "change" | "anomalousEver"> & { page: SeriesPage | undefined }) {
  if (!page) return <Skeleton height="22px" width="280px" mt={1} />;
  if (page.total === 0) return null;
  const anomalous = SEVERITIES.reduce((sum, severity) => sum + (page.anomalous[severity] ?? 0), 0);
  const elsewhere = anomalous === 0 && anomalousEver > 0 && view.range !== "all" && !hasFilters(view);
  return (
    <HStack gap={2} mt={1} wrap="wrap" aria-live="polite">
      {SEVERITIES.filter((severity) => (page.anomalous[severity] ?? 0) > 0).map((severity) => (
        <SeverityBadge key={severity} severity={severity} count={page.anomalous[severity] ?? 0} />
      ))}
      <Text color="fg.muted" fontSize="sm">
        {anomalous > 0 ? `${formatCount(anomalous)} of ${plural(page.total, "series", "series")} anomalous` : `No anomalies in ${plural(page.total, "series", "series")}`}{" "}
        {rangeWords(view)}
      </Text>
      {elsewhere ? (
        <Button size="xs" variant="plain" px={0} color="fg.info" onClick={() => change({ range: "all", from: "", to: "" })}>
          {plural(anomalousEver, "series has", "series have")} anomalies at other times
        </Button>
      ) : null}
    </HStack>
  );
}

/** Searches while one types, without an address for every letter in the history. */
function Search({ view, change }: { view: View; change: Change }) {
  const [text, setText] = useState(view.q);
  const sent = useRef(view.q);
  useEffect(() => {
    // Changed from outside (back button, "Clear filters"): follow.
    if (view.q !== sent.current) {
      sent.current = view.q;
      setText(view.q);
    }
  }, [view.q]);
  useEffect(() => {
    if (text === sent.current) return;
    const timer = setTimeout(() => {
      sent.current = text;
      change({ q: text }, { replace: true });
    }, 250);
    return () => clearTimeout(timer);
  }, [text, change]);
  return (
    <Input
      size="sm"
      type="search"
      maxWidth={{ base: "100%", md: "420px" }}
      placeholder="Search: dep_time JFK"
      aria-label="Search series"
      value={text}
      onChange={(event) => setText(event.currentTarget.value)}
    />
  );
}

interface CardsProps {
  list: ReturnType<typeof useSeriesList>;
  feed: ReturnType<typeof useCharts>;
  range: TimeRange | null;
  view: View;
  change: Change;
}

function Cards({ list, feed, range, view, change }: CardsProps) {
  const { page, loading, more } = list;
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!end.current) return;
    const watcher = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && more(), { rootMargin: "800px" });
    watcher.observe(end.current);
    return () => watcher.disconnect();
  }, [more]);

  if (!page) return <SkeletonCards />;
  if (page.total === 0) {
    return (
      <Empty title={`No ${view.anomalous ? "anomalous " : ""}series matches these filters ${rangeWords(view)}`}>
        <HStack gap={2} mt={2} wrap="wrap">
          {hasFilters(view) ? (
            <Button size="sm" variant="outline" onClick={() => change(NO_FILTERS)}>
              Clear filters
            </Button>
          ) : null}
          {view.range === "all" ? null : (
            <Button size="sm" variant="outline" onClick={() => change({ range: "all", from: "", to: "" })}>
              Look in all the data
            </Button>
          )}
        </HStack>
      </Empty>
    );
  }
  return (
    <>
      <Grid
        templateColumns="repeat(auto-fill, minmax(min(100%, 330px), 1fr))"
        gap={3}
        opacity={loading ? 0.6 : 1}
        transition="opacity 0.15s"
        aria-busy={loading}
      >
        {page.series.map((series) => (
          <SeriesCard key={series.id} series={series} chart={feed.charts.get(series.id)} axis={range?.axis ?? null} see={feed.see} />
        ))}
      </Grid>
      <div ref={end} />
      <Text fontSize="xs" color="fg.muted" py={3}>
        {page.series.length < page.total ? `${plural(page.series.length, "series", "series")} of ${page.total}; scroll for more` : plural(page.total, "series", "series")}
      </Text>
    </>
  );
}

const SkeletonCards = () => (
  <Grid templateColumns="repeat(auto-fill, minmax(min(100%, 330px), 1fr))" gap={3}>
    {Array.from({ length: 6 }, (_, index) => (
      <Skeleton key={index} height="240px" />
    ))}
  </Grid>
);
