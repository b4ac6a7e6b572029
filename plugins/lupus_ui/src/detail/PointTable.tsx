import { Box, Button, Flex, Heading, HStack, Table, Text } from "@chakra-ui/react";
import { useMemo, useState } from "react";

import type { Chart } from "../api";
import { formatPeriod, formatRange, formatValue, judgementWords, plural, statusWords, utcPeriod } from "../format";
import { Segments } from "../ui/Choice";
import { SeverityBadge } from "../ui/severity";
import type { Change, View } from "../view";
import { anomalies } from "./points";
import { RunLinks } from "./RunLinks";

const PAGE = 50;

interface Props {
  chart: Chart;
  view: View;
  change: Change;
  selected: number | null;
  onSelect: (index: number) => void;
}

/** The chart in words and numbers, newest first. */
export function PointTable({ chart, view, change, selected, onSelect }: Props) {
  const [shown, setShown] = useState(PAGE);
  const { series } = chart;
  const anomalous = useMemo(() => anomalies(chart), [chart]);
  const wanted = view.table === "all" ? chart.start.map((_, index) => index) : anomalous;
  const rows = [...wanted].reverse();
  return (
    <Box as="section" aria-label="Points" mt={6}>
      <Flex justify="space-between" align="center" gap={3} wrap="wrap" mb={2}>
        <Heading size="sm">Points</Heading>
        <Segments
          label="Points in the table"
          value={view.table}
          options={[
            ["anomalies", `Anomalies (${anomalous.length})`],
            ["all", `All periods (${chart.start.length})`],
          ]}
          onChange={(table) => {
            setShown(PAGE);
            change({ table }, { replace: true });
          }}
        />
      </Flex>
      {rows.length === 0 ? (
        <Text color="fg.muted" fontSize="sm">
          No anomalies in this time.
        </Text>
      ) : (
        <Table.ScrollArea borderWidth={1} borderRadius="md">
          <Table.Root size="sm" interactive>
            <Table.Header>
              <Table.Row>
                <Table.ColumnHeader>Period</Table.ColumnHeader>
                <Table.ColumnHeader>Severity</Table.ColumnHeader>
                <Table.ColumnHeader textAlign="end">Value</Table.ColumnHeader>
                <Table.ColumnHeader textAlign="end">Expected</Table.ColumnHeader>
                <Table.ColumnHeader>Judgement</Table.ColumnHeader>
                <Table.ColumnHeader>Run</Table.ColumnHeader>
              </Table.Row>
            </Table.Header>
            <Table.Body>
              {rows.slice(0, shown).map((index) => {
                const start = chart.start[index]!;
                const end = chart.end[index]!;
                const severity = chart.severity[index] ?? null;
                const value = chart.value[index] ?? null;
                return (
                  <Table.Row
                    key={start}
                    data-start={start}
                    data-severity={severity ?? "none"}
                    aria-selected={index === selected}
                    bg={index === selected ? "bg.info" : undefined}
                    onClick={() => onSelect(index)}
                    cursor="pointer"
                  >
                    <Table.Cell whiteSpace="nowrap" title={utcPeriod(start, end, series.timezone)}>
                      {formatPeriod(start, end, series.grain, series.timezone)}
                    </Table.Cell>
                    <Table.Cell>{severity ? <SeverityBadge severity={severity} /> : null}</Table.Cell>
                    <Table.Cell textAlign="end" whiteSpace="nowrap" fontVariantNumeric="tabular-nums">
                      {value === null ? statusWords(chart.status[index] ?? "missing") : formatValue(value, series)}
                    </Table.Cell>
                    <Table.Cell textAlign="end" whiteSpace="nowrap" fontVariantNumeric="tabular-nums" color="fg.muted">
                      {formatRange(chart.lower[index] ?? null, chart.upper[index] ?? null, series)}
                    </Table.Cell>
                    <Table.Cell color="fg.muted" minWidth="180px">
                      {[judgementWords(chart.score[index] ?? null, chart.reason[index] ?? null), chart.detector[index]].filter(Boolean).join(" · ")}
                    </Table.Cell>
                    <Table.Cell whiteSpace="nowrap" onClick={(event) => event.stopPropagation()}>
                      <RunLinks chart={chart} index={index} />
                    </Table.Cell>
                  </Table.Row>
                );
              })}
            </Table.Body>
          </Table.Root>
        </Table.ScrollArea>
      )}
      {rows.length > shown ? (
        <HStack mt={2}>
          <Button size="xs" variant="outline" onClick={() => setShown(shown + PAGE * 4)}>
            Show {plural(Math.min(rows.length - shown, PAGE * 4), "more period", "more periods")}
          </Button>
        </HStack>
      ) : null}
    </Box>
  );
}
