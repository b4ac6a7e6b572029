import { HStack, Input } from "@chakra-ui/react";

import { localDate } from "../format";
import type { Change, TimeRange, View } from "../view";
import { Segments } from "./Choice";

const OPTIONS = [
  ["30", "30 d"],
  ["90", "90 d"],
  ["365", "1 y"],
  ["all", "All"],
  ["custom", "Custom"],
] as const;

/** Quick ranges count back from the newest data. */
export function RangePicker({ view, change, shown }: { view: View; change: Change; shown: TimeRange | null }) {
  const dates = shown?.axis?.map((second) => localDate(second, shown.zone)) ?? ["", ""];
  // A link to an older period widens the range: the buttons say what is in sight.
  const range = view.range !== "custom" && shown?.axis && shown.query.from === undefined ? "all" : view.range;
  return (
    <HStack gap={2} wrap="wrap">
      <Segments
        label="Time range"
        value={range}
        options={OPTIONS}
        onChange={(next) =>
          // A custom range starts from what is in sight.
          change(next === "custom" ? { range: next, from: dates[0]!, to: dates[1]!, zoom: null } : { range: next, from: "", to: "", at: "", zoom: null })
        }
      />
      {view.range === "custom" ? (
        <HStack gap={1} minWidth={0}>
          <Input size="sm" type="date" aria-label="From" flex="0 1 9.5rem" minWidth={0} px={2} value={view.from} onChange={(event) => change({ range: "custom", from: event.currentTarget.value, at: "", zoom: null })} />
          <span>to</span>
          <Input size="sm" type="date" aria-label="To, included" flex="0 1 9.5rem" minWidth={0} px={2} value={view.to} onChange={(event) => change({ range: "custom", to: event.currentTarget.value, at: "", zoom: null })} />
        </HStack>
      ) : null}
    </HStack>
  );
}
