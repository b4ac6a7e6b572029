import { Box, Button, Flex, Grid, HStack, Link, Text } from "@chakra-ui/react";
import { useState } from "react";
import { Link as RouterLink } from "react-router-dom";

import type { Dataset } from "../api";
import { ago, dimensionText, formatCount, formatPeriod, plural, utcPeriod } from "../format";
import type { Change, View } from "../view";

type Calendar = Dataset["calendar"][number];

const SHOWN = 4;
const bad = (period: Calendar | undefined) => period?.status === "failed" || period?.status === "missing";

/** How each dataset arrived; those whose newest period did not come first. */
export function DatasetStrip({ datasets, view, change, inDag }: { datasets: readonly Dataset[]; view: View; change: Change; inDag: boolean }) {
  const [open, setOpen] = useState(false);
  const sorted = [...datasets].sort((one, other) => Number(bad(other.calendar.at(-1))) - Number(bad(one.calendar.at(-1))));
  return (
    <Box as="section" aria-label="Datasets">
      <Grid templateColumns={{ base: "1fr", md: "repeat(auto-fill, minmax(330px, 1fr))" }} gap={2}>
        {(open ? sorted : sorted.slice(0, SHOWN)).map((dataset) => (
          <DatasetCard key={dataset.name} dataset={dataset} view={view} change={change} inDag={inDag} />
        ))}
      </Grid>
      {sorted.length > SHOWN ? (
        <Button size="xs" variant="plain" color="fg.info" px={0} onClick={() => setOpen(!open)}>
          {open ? "Show fewer datasets" : `Show all ${formatCount(sorted.length)} datasets`}
        </Button>
      ) : null}
    </Box>
  );
}

function DatasetCard({ dataset, view, change, inDag }: { dataset: Dataset; view: View; change: Change; inDag: boolean }) {
  const { calendar, name } = dataset;
  const chosen = view.dataset.includes(name);
  const newest = calendar.at(-1);
  const rows = calendar.findLast((period) => period.rows !== null)?.rows ?? null;
  return (
    <Box borderWidth={1} borderRadius="md" p={3} borderColor={chosen ? "border.info" : "border"} data-dataset={name}>
      <Flex justify="space-between" gap={3} align="baseline">
        <Button
          variant="plain"
          size="sm"
          height="auto"
          px={0}
          minWidth={0}
          fontWeight="semibold"
          aria-pressed={chosen}
          title={chosen ? "Show all datasets" : "Show only this dataset"}
          onClick={() => change({ dataset: chosen ? [] : [name] })}
        >
          {name}
        </Button>
        <Text fontSize="sm" color="fg.muted" truncate>
          {dataset.anomalous_series > 0
            ? `${formatCount(dataset.anomalous_series)} of ${plural(dataset.series, "series", "series")} anomalous`
            : plural(dataset.series, "series", "series")}
        </Text>
      </Flex>
      <ArrivalCalendar dataset={dataset} />
      <Flex justify="space-between" gap={3} fontSize="xs" color="fg.muted">
        {newest ? (
          <Text title={utcPeriod(newest.start, newest.end, dataset.timezone)}>
            {formatPeriod(newest.start, newest.end, dataset.grain, dataset.timezone)} ({ago(newest.end)})
          </Text>
        ) : (
          <Text>No period in this time</Text>
        )}
        {rows === null ? null : <Text>{plural(rows, "row")}</Text>}
      </Flex>
      <Trouble dataset={dataset} />
      <HStack gap={3} fontSize="xs" mt={1} wrap="wrap">
        {inDag ? null : (
          <Link asChild color="fg.info">
            <RouterLink to={`/dags/${encodeURIComponent(dataset.dag_id)}`}>{dataset.dag_id}</RouterLink>
          </Link>
        )}
        {dataset.owner ? <Text color="fg.muted">{dataset.owner}</Text> : null}
        {/* Only web addresses become links: the text comes from DAG code. */}
        {dataset.runbook && /^https?:\/\//.test(dataset.runbook) ? (
          <Link href={dataset.runbook} target="_blank" rel="noreferrer" color="fg.info">
            Runbook
          </Link>
        ) : null}
      </HStack>
    </Box>
  );
}

const CELL: Record<Calendar["status"], { bg: string; border: string; words: string }> = {
  ok: { bg: "var(--chakra-colors-green-500)", border: "transparent", words: "arrived" },
  empty: { bg: "transparent", border: "var(--chakra-colors-yellow-500)", words: "empty" },
  missing: { bg: "transparent", border: "var(--chakra-colors-red-600)", words: "missing" },
  failed: { bg: "var(--chakra-colors-red-600)", border: "transparent", words: "failed" },
};

const countOf = (calendar: readonly Calendar[], status: Calendar["status"]) => calendar.filter((period) => period.status === status).length;

function summary(calendar: readonly Calendar[]): string {
  return (["ok", "empty", "missing", "failed"] as const)
    .map((status) => [countOf(calendar, status), CELL[status].words] as const)
    .filter(([count]) => count > 0)
    .map(([count, words]) => `${formatCount(count)} ${words}`)
    .join(", ");
}

/** A mark per period. What is wrong differs in form, not only in colour: hollow, or full and high. */
function ArrivalCalendar({ dataset }: { dataset: Dataset }) {
  return (
    <Flex role="img" aria-label={`Newest ${plural(dataset.calendar.length, "period")}: ${summary(dataset.calendar)}`} gap="2px" align="flex-end" height="22px" my={2}>
      {dataset.calendar.map((period) => {
        const { bg, border, words } = CELL[period.status];
        const absent = period.absent_groups.map((group) => Object.entries(group).map(([name, value]) => `${name}=${dimensionText(value)}`).join(", "));
        const title = [
          `${formatPeriod(period.start, period.end, dataset.grain, dataset.timezone)}: ${words}`,
          period.rows === null ? "" : plural(period.rows, "row"),
          period.reason ?? "",
          absent.length > 0 ? `absent: ${absent.join("; ")}` : "",
        ].filter(Boolean);
        return (
          <Box
            key={period.start}
            title={title.join("\n")}
            data-status={period.status}
            flex="1 1 0"
            maxWidth="12px"
            height={period.status === "ok" ? (absent.length > 0 ? "10px" : "16px") : "22px"}
            borderRadius="1px"
            style={{ background: bg, border: `1.5px solid ${border}`, opacity: period.status === "ok" ? 0.75 : 1 }}
          />
        );
      })}
    </Flex>
  );
}

/** In words, what the calendar shows: the newest period that is not as it should be. */
function Trouble({ dataset }: { dataset: Dataset }) {
  const troubled = dataset.calendar.filter((period) => period.status !== "ok");
  const last = troubled.at(-1);
  if (!last) return null;
  return (
    <Text fontSize="xs" mt={1} title={last.reason ?? undefined} truncate>
      {summary(troubled)}; last {formatPeriod(last.start, last.end, dataset.grain, dataset.timezone)}
      {last.reason ? `: ${last.reason}` : ""}
    </Text>
  );
}
