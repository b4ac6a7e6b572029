/** Which points to draw when there are more than pixels. */

interface Columns {
  value: readonly (number | null)[];
  severity: readonly (unknown | null)[];
}

/**
 * Positions of the points to draw: in each bucket the first, the last, minimum and maximum, one that has no value (so that gaps stay gaps)
 * and every anomaly. Short series are drawn whole.
 */
export function downsample({ value, severity }: Columns, pixels: number): number[] {
  const count = value.length;
  const buckets = Math.max(1, Math.floor(pixels));
  if (count <= buckets * 2) return Array.from({ length: count }, (_, index) => index);
  const kept: number[] = [];
  for (let bucket = 0; bucket < buckets; bucket++) {
    const from = Math.floor((bucket * count) / buckets);
    const to = Math.floor(((bucket + 1) * count) / buckets);
    const chosen = new Set<number>([from, to - 1]);
    let low = -1;
    let high = -1;
    let hole = -1;
    for (let index = from; index < to; index++) {
      const here = value[index] ?? null;
      if (severity[index] !== null && severity[index] !== undefined) chosen.add(index);
      if (here === null) {
        hole = index;
        continue;
      }
      if (low < 0 || here < value[low]!) low = index;
      if (high < 0 || here > value[high]!) high = index;
    }
    for (const index of [low, high, hole]) if (index >= 0) chosen.add(index);
    kept.push(...[...chosen].sort((one, other) => one - other));
  }
  return kept;
}
