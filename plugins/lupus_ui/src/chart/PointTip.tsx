import { Box, HStack, Text } from "@chakra-ui/react";

import type { Chart } from "../api";
import { formatPeriod, formatRange, formatValue, judgementWords, statusWords } from "../format";
import { SeverityShape } from "../ui/severity";
import type { Hover } from "./LineChart";

const WIDTH = 260;

/** What the pointer is on. It stands beside the point, on the side with room, and never under the pointer. */
export function PointTip({ chart, hover }: { chart: Chart; hover: Hover }) {
  const { series } = chart;
  const { index, left, width } = hover;
  const start = chart.start[index];
  const end = chart.end[index];
  if (start === undefined || end === undefined) return null;
  const value = chart.value[index] ?? null;
  const severity = chart.severity[index] ?? null;
  const expected = formatRange(chart.lower[index] ?? null, chart.upper[index] ?? null, series);
  const judgement = judgementWords(chart.score[index] ?? null, chart.reason[index] ?? null);
  const notes = chart.annotations.filter((note) => note.start >= start && note.start < end);
  return (
    <Box
      position="absolute"
      top={1}
      {...(left + WIDTH + 14 > width && left > width / 2 ? { right: `calc(100% - ${Math.round(left) - 14}px)` } : { left: `${Math.round(left) + 14}px` })}
      maxWidth={`${WIDTH}px`}
      width="max-content"
      bg="bg.panel"
      borderWidth={1}
      borderRadius="md"
      boxShadow="md"
      px={3}
      py={2}
      fontSize="xs"
      pointerEvents="none"
      zIndex={5}
    >
      <Text color="fg.muted">{formatPeriod(start, end, series.grain, series.timezone)}</Text>
      <HStack gap={1.5}>
        {severity ? <SeverityShape severity={severity} /> : null}
        <Text fontSize="md" fontWeight="semibold" fontVariantNumeric="tabular-nums">
          {value === null ? statusWords(chart.status[index] ?? "missing") : formatValue(value, series)}
        </Text>
      </HStack>
      {expected ? <Text>Expected {expected}</Text> : null}
      {judgement ? <Text color="fg.muted">{[judgement, chart.detector[index]].filter(Boolean).join(" · ")}</Text> : null}
      {notes.map((note, position) => (
        <Text key={position} color="purple.fg">
          {note.text}
        </Text>
      ))}
    </Box>
  );
}
