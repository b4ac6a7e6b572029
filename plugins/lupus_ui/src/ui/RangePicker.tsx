import { HStack, Input } from "@chakra-ui/react";

import { type Change, type View } from "../view";
import { Segments } from "./Choice";

const OPTIONS = [
  ["30", "30 d"],
  ["90", "90 d"],
  ["365", "1 y"],
  ["all", "All"],
  ["custom", "Custom"],
] as const;

/** Quick ranges count back from the newest data. */
export function RangePicker({ view, change, shown }: { view: View; change: Change; shown: [number, number] | null }) {
  const dates = shown?.map((second) => new Date(second * 1000).toISOString().slice(0, 10)) ?? ["", ""];
  return (
    <HStack gap={2} wrap="wrap">
      <Segments
        label="Time range"
        value={view.range}
        options={OPTIONS}
        onChange={(range) =>
          // A custom range starts from what is in sight.
          change(range === "custom" ? { range, from: dates[0]!, to: dates[1]!, zoom: null } : { range, from: "", to: "", at: "", zoom: null })
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
