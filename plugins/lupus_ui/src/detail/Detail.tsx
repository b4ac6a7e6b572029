import { Badge, Box, Button, Flex, Heading, HStack, Link, Skeleton, Switch, Text } from "@chakra-ui/react";
import { type ComponentProps, type KeyboardEvent, useEffect, useRef, useState } from "react";
import { Link as RouterLink } from "react-router-dom";

import { type Chart, type Charts, pathOf, type Problem, useGet } from "../api";
import { type Hover, LineChart } from "../chart/LineChart";
import { PointTip } from "../chart/PointTip";
import { dimensionText, formatPeriod, localDate, metricName, seriesName, utcPeriod } from "../format";
import { CopyButton } from "../ui/CopyButton";
import { Empty, ErrorNote } from "../ui/notes";
import { RangePicker } from "../ui/RangePicker";
import { SeverityShape } from "../ui/severity";
import { type Change, rangeWords, type TimeRange, type View, writeView } from "../view";
import { firstSelection } from "./points";
import { PointTable } from "./PointTable";
import { Readout } from "./Readout";
import { Siblings } from "./Siblings";

const HEIGHT = 340;

interface Props {
  id: number;
  view: View;
  change: Change;
  range: TimeRange | null;
  problem: Problem | undefined;
  onRetry: () => void;
  attempt: number;
  dagId: string | undefined;
}

export function Detail({ id, view, change, range, problem, onRetry, attempt, dagId }: Props) {
  const answer = useGet<Charts>(range && pathOf("charts", { id, ...range.query }), attempt);
  const chart = answer.data?.charts.find((one) => one.series.id === id);
  const error = problem ?? answer.error;
  return (
    <Box>
      <Flex justify="space-between" gap={3} wrap="wrap" mb={3}>
        <Link asChild color="fg.info" fontSize="sm">
          <RouterLink to={{ search: `?${writeView({ ...view, series: null, at: "", zoom: null, log: false, table: "anomalies" }, new URLSearchParams())}` }}>← All metrics</RouterLink>
        </Link>
        <RangePicker view={view} change={change} shown={range} />
      </Flex>
      {error ? <ErrorNote problem={error} onRetry={onRetry} /> : null}
      {chart && range ? (
        <Box opacity={answer.loading ? 0.6 : 1} transition="opacity 0.15s" aria-busy={answer.loading}>
          <Loaded key={id} chart={chart} view={view} change={change} range={range} dagId={dagId} />
        </Box>
      ) : error ? null : (
        <>
          <Skeleton height="28px" width="320px" mb={3} />
          <Skeleton height={`${HEIGHT}px`} mb={3} />
          <Skeleton height="120px" />
        </>
      )}
    </Box>
  );
}

function Loaded({ chart, view, change, range, dagId }: { chart: Chart; view: View; change: Change; range: TimeRange; dagId: string | undefined }) {
  const { series } = chart;
  const [selected, select] = useSelection(chart, view, change);
  const axis = view.zoom ?? range.axis;

  const step = (event: KeyboardEvent) => {
    const last = chart.start.length - 1;
    const to = { ArrowLeft: (selected ?? last + 1) - 1, ArrowRight: (selected ?? -1) + 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    select(Math.min(Math.max(to, 0), last));
  };

  return (
    <>
      <Title chart={chart} inDag={dagId !== undefined} />
      <Box as="article" aria-label={seriesName(series)} borderWidth={1} borderRadius="md" p={3} mb={3}>
        <Flex justify="space-between" align="center" gap={3} wrap="wrap">
          <Legend />
          <HStack gap={3} wrap="wrap">
            {view.zoom ? (
              <Button size="xs" variant="outline" onClick={() => change({ zoom: null }, { replace: true })}>
                Reset zoom
              </Button>
            ) : null}
            <Switch.Root size="sm" checked={view.log} onCheckedChange={(event) => change({ log: event.checked }, { replace: true })}>
              <Switch.HiddenInput />
              <Switch.Control />
              <Switch.Label>Log scale</Switch.Label>
            </Switch.Root>
            <CopyButton label="Copy link" text={() => permalink(chart, view, selected)} />
          </HStack>
        </Flex>
        {chart.start.length === 0 ? (
          <Empty title={`No points ${rangeWords(view)}`} />
        ) : (
          <Box
            position="relative"
            mt={2}
            tabIndex={0}
            role="group"
            aria-label={`Chart of ${seriesName(series)}: arrow keys step from period to period; the table below says the same in words`}
            onKeyDown={step}
            _focusVisible={{ outline: "2px solid", outlineColor: "border.info", outlineOffset: "2px" }}
          >
            <HoverChart
              chart={chart}
              height={HEIGHT}
              axis={axis}
              cursor="lupus-list"
              log={view.log}
              selected={selected}
              onSelect={select}
              onZoom={(zoom) => change({ zoom }, { replace: true })}
            />
          </Box>
        )}
      </Box>
      {selected === null ? null : <Readout chart={chart} index={selected} />}
      <Siblings series={series} range={range} axis={axis} dagId={dagId} />
      <PointTable chart={chart} view={view} change={change} selected={selected} onSelect={select} />
    </>
  );
}

/** Apart from the rest, which need not be rendered anew with every move of the pointer. */
function HoverChart(props: ComponentProps<typeof LineChart>) {
  const [hover, setHover] = useState<Hover | null>(null);
  return (
    <>
      <LineChart {...props} onHover={setHover} />
      {hover?.own ? <PointTip chart={props.chart} hover={hover} /> : null}
    </>
  );
}

function Title({ chart: { series }, inDag }: { chart: Chart; inDag: boolean }) {
  const { worst } = series;
  return (
    <Box mb={3}>
      <HStack gap={2} wrap="wrap">
        <Heading size="lg" overflowWrap="anywhere">
          {metricName(series)}
        </Heading>
        {Object.entries(series.dimensions).map(([name, value]) => (
          <Badge key={name} variant="subtle" fontFamily="mono">
            {name}={dimensionText(value)}
          </Badge>
        ))}
      </HStack>
      <Text fontSize="sm" color="fg.muted">
        {series.dataset}, per {series.grain}, {series.timezone}
        {inDag ? null : (
          <>
            {" · "}
            <Link asChild color="fg.info">
              <RouterLink to={`/dags/${encodeURIComponent(series.dag_id)}`}>{series.dag_id}</RouterLink>
            </Link>
          </>
        )}
      </Text>
      {worst?.severity ? (
        <HStack gap={2} mt={1}>
          <SeverityShape severity={worst.severity} />
          <Text>
            {worst.sentence}
            <Text as="span" color="fg.muted" title={utcPeriod(worst.start, worst.end, series.timezone)}>
              {" · "}
              {formatPeriod(worst.start, worst.end, series.grain, series.timezone)}
            </Text>
          </Text>
        </HStack>
      ) : null}
    </Box>
  );
}

const Legend = () => (
  <HStack gap={4} wrap="wrap" fontSize="xs" color="fg.muted" aria-hidden>
    <HStack gap={1.5}>
      <Box width="16px" height="10px" style={{ background: "color-mix(in srgb, var(--chakra-colors-blue-500) 16%, transparent)" }} />
      expected
    </HStack>
    {(["critical", "major", "warning"] as const).map((severity) => (
      <HStack key={severity} gap={1.5}>
        <SeverityShape severity={severity} size={10} />
        {severity}
      </HStack>
    ))}
    <HStack gap={1.5}>
      <Box width="2px" height="8px" bg="fg.muted" />
      no data
    </HStack>
  </HStack>
);

/** The selected period: at once on the page, a moment later in the address (browsers limit how often that may change). */
function useSelection(chart: Chart, view: View, change: Change): [number | null, (index: number) => void] {
  const [chosen, setChosen] = useState<string | null>(null);
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const position = chosen === null ? -1 : chart.start.indexOf(chosen);
  const selected = position >= 0 ? position : firstSelection(chart, view.at);
  const select = (index: number) => {
    const at = chart.start[index];
    if (at === undefined) return;
    setChosen(at);
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => change({ at }, { replace: true }), 300);
  };
  return [selected, select];
}

/** A link that shows the same next year, too: with the dates of now, not "the newest 90 days". */
function permalink(chart: Chart, view: View, selected: number | null): string {
  const first = chart.start[0];
  const last = chart.start.at(-1);
  const day = (instant: string) => localDate(Date.parse(instant) / 1000, chart.series.timezone);
  const here = new URL(globalThis.location.href);
  const fixed: View = first && last ? { ...view, range: "custom", from: day(first), to: day(last) } : view;
  here.search = writeView({ ...fixed, at: (selected === null ? undefined : chart.start[selected]) ?? view.at }, new URLSearchParams(here.search)).toString();
  return here.href;
}
