import { Badge, Box, Flex, HStack, Link, Skeleton, Text } from "@chakra-ui/react";
import { memo, useEffect, useRef, useState } from "react";
import { Link as RouterLink } from "react-router-dom";

import type { Chart, Series, Severity } from "../api";
import { type Hover, LineChart } from "../chart/LineChart";
import { PointTip } from "../chart/PointTip";
import { dimensionText, formatPeriod, formatValue, metricName, plural, seriesName, statusWords, utcPeriod } from "../format";
import { SeverityShape } from "../ui/severity";
import { seriesSearch } from "../view";

const HEIGHT = 130;

interface Props {
  series: Series;
  chart: Chart | undefined;
  axis: [number, number] | null;
  see: (id: number, visible: boolean) => void;
}

export const SeriesCard = memo(function SeriesCard({ series, chart, axis, see }: Props) {
  const card = useRef<HTMLElement>(null);
  const [visible, setVisible] = useState(false);
  const [hover, setHover] = useState<Hover | null>(null);

  useEffect(() => {
    if (!card.current) return;
    const watcher = new IntersectionObserver(
      (entries) => {
        const seen = entries.at(-1)?.isIntersecting ?? false;
        setVisible(seen);
        see(series.id, seen);
      },
      { rootMargin: "300px" },
    );
    watcher.observe(card.current);
    return () => {
      watcher.disconnect();
      see(series.id, false);
    };
  }, [series.id, see]);

  const { worst, latest } = series;
  const groups = Object.entries(series.dimensions);
  const now = readout(series, chart, hover);
  return (
    <Box
      as="article"
      ref={card}
      aria-label={seriesName(series)}
      data-series={series.id}
      borderWidth={1}
      borderRadius="md"
      bg="bg"
      p={3}
      pb={1}
      minWidth={0}
      transition="border-color 0.1s"
      _hover={{ borderColor: "border.emphasized" }}
    >
      <Flex justify="space-between" gap={2} align="baseline">
        <Link asChild fontWeight="semibold" color="fg.info" minWidth={0}>
          <RouterLink to={{ search: seriesSearch(series.id) }} title={seriesName(series)}>
            <Text as="span" truncate>
              {metricName(series)}
            </Text>
          </RouterLink>
        </Link>
        <HStack gap={1.5} title={hover ? undefined : "Newest value"}>
          {now.severity ? <SeverityShape severity={now.severity} size={10} /> : null}
          <Text fontSize="sm" color="fg.muted" whiteSpace="nowrap" fontVariantNumeric="tabular-nums">
            {now.text}
          </Text>
        </HStack>
      </Flex>
      <HStack gap={1} mt={1} minHeight="1.375rem" overflow="hidden">
        <Text fontSize="xs" color="fg.muted" whiteSpace="nowrap">
          {series.dataset}
        </Text>
        {groups.length === 0 && series.level === "total" ? (
          <Badge size="sm" variant="outline">
            total
          </Badge>
        ) : null}
        {groups.map(([name, value]) => (
          <Badge key={name} size="sm" variant="subtle" fontFamily="mono" title={`${name}=${dimensionText(value)}`}>
            {name}={dimensionText(value)}
          </Badge>
        ))}
      </HStack>
      <Flex gap={1.5} align="baseline" mt={2} minHeight="2.5rem">
        {worst?.severity ? (
          <>
            <Box pt="1px">
              <SeverityShape severity={worst.severity} />
            </Box>
            <Text fontSize="sm" lineClamp={2} title={worst.sentence}>
              {worst.sentence}
              <Text as="span" color="fg.muted" title={utcPeriod(worst.start, worst.end, series.timezone)}>
                {" · "}
                {formatPeriod(worst.start, worst.end, series.grain, series.timezone)}
                {series.anomalies > 1 ? `, the worst of ${plural(series.anomalies, "anomaly", "anomalies")}` : ""}
              </Text>
            </Text>
          </>
        ) : (
          <Text fontSize="sm" color="fg.muted">
            {latest?.reason === "insufficient_history" ? "Too little history to judge yet" : "As expected"}
          </Text>
        )}
      </Flex>
      <Box position="relative" height={`${HEIGHT}px`} mt={1}>
        {chart && visible ? (
          <>
            <LineChart chart={chart} height={HEIGHT} axis={axis} cursor="lupus-list" small onHover={setHover} />
            {hover?.own ? <PointTip chart={chart} hover={hover} /> : null}
          </>
        ) : (
          <Skeleton height={`${HEIGHT - 12}px`} />
        )}
      </Box>
    </Box>
  );
});

/** The value under the shared cursor, else the newest in sight. */
function readout(series: Series, chart: Chart | undefined, hover: Hover | null): { text: string; severity: Severity | null } {
  if (!chart) return { text: series.latest ? formatValue(series.latest.value, series) : "", severity: null };
  const index = hover && hover.index < chart.value.length ? hover.index : chart.value.length - 1;
  if (index < 0) return { text: "", severity: null };
  const value = chart.value[index] ?? null;
  return {
    text: value === null ? statusWords(chart.status[index] ?? "missing") : formatValue(value, series),
    severity: chart.severity[index] ?? null,
  };
}
