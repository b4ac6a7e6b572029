import { describe, expect, it } from "vitest";

import { downsample } from "./downsample";
import { yRange } from "./range";

const series = (count: number) => ({
  value: Array.from({ length: count }, (_, index): number | null => Math.sin(index / 50)),
  severity: Array.from({ length: count }, (): string | null => null),
});

describe("downsampling", () => {
  it("leaves a short series whole", () => expect(downsample(series(5), 300)).toEqual([0, 1, 2, 3, 4]));

  it("keeps minima, maxima, gaps and every anomaly, in order and once", () => {
    const columns = series(20_000);
    columns.value[7777] = 99;
    columns.value[8888] = -99;
    columns.value[12_345] = null;
    for (const index of [3000, 3001, 3002]) columns.severity[index] = "warning";
    const kept = downsample(columns, 300);
    for (const index of [0, 7777, 8888, 12_345, 3000, 3001, 3002, 19_999]) expect(kept).toContain(index);
    expect(kept).toEqual([...new Set(kept)].sort((one, other) => one - other));
    expect(kept.length).toBeLessThan(300 * 6);
  });
});

describe("the y axis", () => {
  it("shows zero where it means something", () => {
    expect(yRange(300, 320, true, false, "rows")[0]).toBe(0);
    expect(yRange(300, 320, false, false, "minutes")[0]).toBeGreaterThan(290);
  });

  it("does not promise more than 100 %", () => expect(yRange(0.2, 1, true, false, "ratio")[1]).toBeLessThan(1.05));

  it("bears constant, absent and logarithmic values", () => {
    expect(yRange(5, 5, false, false, null)).toEqual([4.6, 5.4]);
    expect(yRange(null, null, true, false, null)).toEqual([0, 1]);
    expect(yRange(1, 100, true, true, null)[0]).toBeGreaterThan(0);
  });
});
