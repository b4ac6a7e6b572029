import { Button, ButtonGroup, NativeSelect } from "@chakra-ui/react";

interface Props<T extends string> {
  label: string;
  value: T;
  options: readonly (readonly [value: T, words: string])[];
  onChange: (value: T) => void;
}

/** One of a few, all in sight: the same buttons as above Airflow's list of DAGs. */
export function Segments<T extends string>({ label, value, options, onChange }: Props<T>) {
  return (
    <ButtonGroup attached size="sm" colorPalette="brand" variant="outline" role="group" aria-label={label}>
      {options.map(([one, words]) => (
        <Button key={one} aria-pressed={one === value} variant={one === value ? "solid" : "outline"} px={3} onClick={() => onChange(one)}>
          {words}
        </Button>
      ))}
    </ButtonGroup>
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
