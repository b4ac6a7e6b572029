import { NativeSelect, SegmentGroup } from "@chakra-ui/react";

interface Props<T extends string> {
  label: string;
  value: T;
  options: readonly (readonly [value: T, words: string])[];
  onChange: (value: T) => void;
}

/** One of a few, all in sight. */
export function Segments<T extends string>({ label, value, options, onChange }: Props<T>) {
  return (
    <SegmentGroup.Root size="sm" aria-label={label} value={value} onValueChange={(event) => onChange(event.value as T)}>
      <SegmentGroup.Indicator />
      <SegmentGroup.Items items={options.map(([one, words]) => ({ value: one, label: words }))} />
    </SegmentGroup.Root>
  );
}

export function Select<T extends string>({ label, value, options, onChange }: Props<T>) {
  return (
    <NativeSelect.Root size="sm" width="auto">
      <NativeSelect.Field aria-label={label} value={value} onChange={(event) => onChange(event.currentTarget.value as T)}>
        {options.map(([one, words]) => (
          <option key={one} value={one}>
            {words}
          </option>
        ))}
      </NativeSelect.Field>
      <NativeSelect.Indicator />
    </NativeSelect.Root>
  );
}
