import { describe, expect, it } from "vitest";

import { ago, formatPeriod, formatRange, formatRatio, formatScore, formatTicks, formatTimes, formatValue, instantOf, judgementWords, localDate, seriesName, utcPeriod } from "./format";

const NEW_YORK = "America/New_York";
const minutes = { kind: "mean", unit: "minutes" } as const;
const ratio = { kind: "ratio", unit: "ratio" } as const;
const rows = { kind: "count", unit: "rows" } as const;
const plain = (text: string) => text.replaceAll(/[\u00a0\u202f]/g, " ");

describe("numbers", () => {
  it.each([
    [0.5732, "57 %"],
    [0.0562, "5.6 %"],
    [0.00423, "0.42 %"],
    [0.9997, "99.97 %"],
    [0, "0 %"],
    [1, "100 %"],
  ])("says the share %d as %s", (value, text) => expect(plain(formatRatio(value))).toBe(text));

  it("separates thousands, keeps three digits and names the unit", () => {
    expect(formatValue(1_234_567, rows)).toBe("1,234,567");
    expect(plain(formatValue(12.3456, minutes))).toBe("12.3 minutes");
    expect(plain(formatValue(-1.5, minutes))).toBe("−1.5 minutes");
    expect(formatValue(null, minutes)).toBe("–");
    expect(formatValue(-0.0001, { kind: "mean", unit: null })).toBe("−0.0001");
  });

  it("says the unit of a range once", () => {
    expect(plain(formatRange(0, 0.06, ratio))).toBe("0–6 %");
    expect(plain(formatRange(3, 22.25, minutes))).toBe("3–22.3 minutes");
    expect(plain(formatRange(-3, 1.5, minutes))).toBe("−3 to 1.5 minutes");
    expect(plain(formatRange(null, 0.3, ratio))).toBe("at most 30 %");
    expect(formatRange(null, null, ratio)).toBe("");
  });

  it("gives an axis as many decimals as its step needs", () => {
    expect(formatTicks([0, 0.005, 0.01], 0.005, "ratio").map(plain)).toEqual(["0 %", "0.5 %", "1 %"]);
    expect(formatTicks([0, 20_000], 20_000, "rows")).toEqual(["0", "20K"]);
    expect(formatTicks([10_000, 10_250], 250, "rows")).toEqual(["10K", "10.25K"]);
    expect(formatTicks([0.001, 0.01, 0.1], "log", "ratio").map(plain)).toEqual(["0.1 %", "1 %", "10 %"]);
    expect(formatTicks([0.25, null], 0.25, null)).toEqual(["0.25", ""]);
  });

  it("says in words which way a score points", () => {
    expect(formatScore(-5.31)).toBe("5.3 σ below expected");
    expect(formatScore(46.2)).toBe("46 σ above expected");
    expect(formatScore(null)).toBe("");
    expect(judgementWords(-5.31, "point")).toBe("5.3 σ below expected, outside the expected range");
    expect(judgementWords(0.5, "normal")).toBe("0.5 σ above expected");
    expect(judgementWords(null, "normal")).toBe("as expected");
    expect(judgementWords(null, "insufficient_history")).toBe("too little history to judge");
  });
});

describe("dates", () => {
  const day = ["2013-02-09T05:00:00Z", "2013-02-10T05:00:00Z"] as const;

  it("shows a period in the zone in which it was cut", () => {
    expect(formatPeriod(...day, "day", NEW_YORK)).toBe("Sat 9 Feb 2013");
    expect(formatPeriod("2013-02-09T19:00:00Z", "2013-02-09T20:00:00Z", "hour", NEW_YORK)).toBe("Sat 9 Feb 2013, 14:00–15:00");
    expect(formatPeriod("2013-02-04T05:00:00Z", "2013-02-11T05:00:00Z", "week", NEW_YORK)).toBe("Week of Mon 4 Feb 2013");
    expect(formatPeriod("2013-02-01T05:00:00Z", "2013-03-01T05:00:00Z", "month", NEW_YORK)).toBe("February 2013");
    expect(utcPeriod(...day, NEW_YORK)).toBe("2013-02-09 05:00 to 2013-02-10 05:00 UTC; cut in America/New_York");
  });

  it("labels an axis, the year where it changes", () => {
    const seconds = ["2013-11-01T04:00:00Z", "2013-12-01T05:00:00Z", "2014-01-01T05:00:00Z"].map((text) => Date.parse(text) / 1000);
    expect(formatTimes(seconds, 30 * 86_400, NEW_YORK)).toEqual(["Nov\n2013", "Dec", "Jan\n2014"]);
  });

  it("knows when a date begins in a zone, also where the clocks change", () => {
    const iso = (date: string) => new Date(instantOf(date, NEW_YORK) * 1000).toISOString();
    expect(iso("2013-02-09")).toBe("2013-02-09T05:00:00.000Z");
    expect(iso("2013-03-10")).toBe("2013-03-10T05:00:00.000Z");
    expect(iso("2013-03-11")).toBe("2013-03-11T04:00:00.000Z");
    expect(iso("2013-11-04")).toBe("2013-11-04T05:00:00.000Z");
  });

  it("knows the date of an instant in a zone", () => {
    expect(localDate(Date.parse("2013-02-09T04:59:00Z") / 1000, NEW_YORK)).toBe("2013-02-08");
    expect(localDate(Date.parse("2013-02-08T15:00:00Z") / 1000, "Asia/Tokyo")).toBe("2013-02-09");
  });

  it("says how long ago", () => {
    const now = Date.parse("2013-02-10T12:00:00Z");
    expect(ago("2013-02-10T05:00:00Z", now)).toBe("7 hours ago");
    expect(ago("2012-02-09T05:00:00Z", now)).toBe("last year");
  });
});

it("names a series; the whole table has no column", () => {
  expect(seriesName({ dataset: "flights", column: "dep_time", metric: "null_ratio", dimensions: { origin: "EWR" } })).toBe("flights · dep_time.null_ratio · origin=EWR");
  expect(seriesName({ dataset: "flights", column: "*", metric: "row_count", dimensions: {} })).toBe("flights · row_count");
  expect(seriesName({ dataset: "d", column: "a", metric: "avg", dimensions: { x: null, y: 1 } })).toBe("d · a.avg · x=NULL, y=1");
});
