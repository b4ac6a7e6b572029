import { Box, Button, Checkbox, Flex, Text, VStack } from "@chakra-ui/react";
import { useState } from "react";

import type { DimensionValue, Facet } from "../api";
import { dimensionText, formatCount } from "../format";
import { type Change, dimText, type View } from "../view";

const SHOWN = 8;
const PLAIN = ["dataset", "column", "metric", "level"] as const;
const TITLES: Record<string, string> = { dataset: "Dataset", column: "Column", metric: "Metric", level: "Level" };
const WORDS: Record<string, string> = { "column/*": "whole table", "level/total": "Totals", "level/leaf": "Groups" };

export function Facets({ facets, view, change }: { facets: readonly Facet[]; view: View; change: Change }) {
  return (
    <VStack align="stretch" gap={5}>
      {facets.map((facet) => (
        <FacetList key={facet.name} facet={facet} view={view} change={change} />
      ))}
    </VStack>
  );
}

const Title = ({ children }: { children: string }) => (
  <Text fontSize="sm" fontWeight="semibold" mb={1}>
    {children}
  </Text>
);

/** What of the address a facet's value is: filters of columns are plain, those of dimensions carry their name and JSON. */
function chosenOf(facet: Facet, view: View): { list: string[]; text: (value: DimensionValue) => string; set: (list: string[]) => Partial<View> } {
  const name = PLAIN.find((one) => one === facet.name);
  if (name) return { list: view[name], text: String, set: (list) => ({ [name]: list }) };
  const dimension = facet.name.slice("dim.".length);
  return { list: view.dim, text: (value) => dimText(dimension, value), set: (list) => ({ dim: list }) };
}

function FacetList({ facet, view, change }: { facet: Facet; view: View; change: Change }) {
  const [open, setOpen] = useState(false);
  const { list, text, set } = chosenOf(facet, view);
  const isChosen = (value: DimensionValue) => list.includes(text(value));
  // What is chosen stays in sight, or it could not be taken back.
  const shown = facet.values.filter(({ value }, index) => open || index < SHOWN || isChosen(value));
  const hidden = facet.values.length - shown.length;
  // A choice of one is none.
  if (facet.values.length < 2 && facet.more === 0 && !facet.values.some(({ value }) => isChosen(value))) return null;
  const title = TITLES[facet.name] ?? facet.name.replace(/^dim\./, "");
  return (
    <Box role="group" aria-label={title}>
      <Title>{title}</Title>
      {shown.map(({ value, count }) => (
        <Option
          key={text(value)}
          label={WORDS[`${facet.name}/${value}`] ?? dimensionText(value)}
          count={count}
          chosen={isChosen(value)}
          onToggle={() => change(set(isChosen(value) ? list.filter((one) => one !== text(value)) : [...list, text(value)]))}
        />
      ))}
      {hidden > 0 || (open && facet.values.length > SHOWN) ? (
        <Button size="xs" variant="plain" px={0} color="fg.info" onClick={() => setOpen(!open)}>
          {open ? "Show fewer" : `Show ${formatCount(hidden)} more`}
        </Button>
      ) : null}
      {facet.more > 0 && (open || hidden === 0) ? (
        <Text fontSize="xs" color="fg.muted">
          {formatCount(facet.more)} more values: find them by search
        </Text>
      ) : null}
    </Box>
  );
}

function Option({ label, count, chosen, onToggle }: { label: string; count?: number; chosen: boolean; onToggle: () => void }) {
  return (
    <Checkbox.Root size="sm" display="flex" py={0.5} checked={chosen} onCheckedChange={onToggle} width="100%">
      <Checkbox.HiddenInput />
      <Checkbox.Control />
      <Checkbox.Label flex={1} minWidth={0} fontWeight="normal">
        <Flex justify="space-between" gap={2}>
          <Text truncate title={label}>
            {label}
          </Text>
          {count === undefined ? null : (
            <Text color="fg.muted" fontVariantNumeric="tabular-nums">
              {formatCount(count)}
            </Text>
          )}
        </Flex>
      </Checkbox.Label>
    </Checkbox.Root>
  );
}
