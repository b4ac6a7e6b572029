import { Box, Grid, HStack, Text } from "@chakra-ui/react";
import type { ReactNode } from "react";

import type { Chart } from "../api";
import { ago, formatCount, formatPeriod, formatRange, formatValue, judgementWords, statusWords, utcPeriod } from "../format";
import { SeverityBadge } from "../ui/severity";
import { RunLinks } from "./RunLinks";

/** All that is known of the selected period. */
export function Readout({ chart, index }: { chart: Chart; index: number }) {
  const { series } = chart;
  const start = chart.start[index]!;
  const end = chart.end[index]!;
  const value = chart.value[index] ?? null;
  const severity = chart.severity[index] ?? null;
  const rows = chart.n[index] ?? null;
  const range = formatRange(chart.lower[index] ?? null, chart.upper[index] ?? null, series);
  const why = judgementWords(chart.score[index] ?? null, chart.reason[index] ?? null);
  const sentence = chart.sentence[index];
  return (
    <Box as="section" aria-label="Selected period" aria-live="polite" borderWidth={1} borderRadius="md" p={4}>
      <HStack gap={2} wrap="wrap" mb={2}>
        {severity ? <SeverityBadge severity={severity} /> : null}
        <Text fontWeight="semibold" title={utcPeriod(start, end, series.timezone)}>
          {formatPeriod(start, end, series.grain, series.timezone)}
        </Text>
        <Text color="fg.muted" fontSize="sm">
          {ago(start)}
        </Text>
      </HStack>
      {sentence ? <Text mb={3}>{sentence}</Text> : null}
      <Grid templateColumns="repeat(auto-fit, minmax(130px, 1fr))" gap={3}>
        <Fact name="Value">{value === null ? statusWords(chart.status[index] ?? "missing") : formatValue(value, series)}</Fact>
        {range ? <Fact name="Expected">{range}</Fact> : null}
        {why ? <Fact name="Judgement">{why}</Fact> : null}
        {chart.detector[index] ? <Fact name="Detector">{chart.detector[index]}</Fact> : null}
        {rows === null ? null : <Fact name="Rows behind it">{formatCount(rows)}</Fact>}
        {chart.run[index] === null || chart.run[index] === undefined ? null : (
          <Fact name="Measured by">
            <RunLinks chart={chart} index={index} />
          </Fact>
        )}
      </Grid>
    </Box>
  );
}

const Fact = ({ name, children }: { name: string; children: ReactNode }) => (
  <Box minWidth={0}>
    <Text fontSize="xs" color="fg.muted">
      {name}
    </Text>
    <Box fontSize="sm" fontVariantNumeric="tabular-nums" overflowWrap="anywhere">
      {children}
    </Box>
  </Box>
);
