import { describe, expect, it } from "vitest";

import type { Dataset } from "./api";
import { dimText, filterQuery, hasFilters, parseView, timeRange, writeView } from "./view";

const view = (text: string) => parseView(new URLSearchParams(text));
const dataset = { name: "flights", timezone: "America/New_York", grain: "day", first_period: "2013-01-01T05:00:00Z", last_period: "2013-12-31T05:00:00Z" } as Dataset;

describe("the address", () => {
  it("says everything of a view, and only what is not as by default", () => {
    const text = "dataset=flights&metric=avg&metric=p95&dim=origin%3A%22JFK%22&q=delay&anomalous=true&order=name&range=365&series=7&at=2013-02-09T05%3A00%3A00Z&zoom=1~2&log=true&table=all";
    expect(Object.fromEntries(writeView(view(text), new URLSearchParams()))).toEqual(Object.fromEntries(new URLSearchParams(text)));
    expect(writeView(view(""), new URLSearchParams()).toString()).toBe("");
  });

  it("keeps what is not ours", () => {
    expect(writeView(view(""), new URLSearchParams("theirs=1")).toString()).toBe("theirs=1");
  });

  it("takes nonsense for nothing", () => {
    const nonsense = view("series=x&range=12&from=soon&zoom=5~1&at=never&order=up");
    expect(nonsense).toEqual(view(""));
    expect(hasFilters(nonsense)).toBe(false);
  });

  it("keeps NULL, numbers and text of a dimension apart", () => {
    expect([null, 1, "1", true].map((value) => dimText("a", value))).toEqual(["a:null", "a:1", 'a:"1"', "a:true"]);
    expect(filterQuery(view("dim=a:null")).dim).toEqual(["a:null"]);
  });
});

describe("the time", () => {
  it("counts back from the newest data", () => {
    expect(timeRange(view("range=30"), [dataset]).query).toEqual({ from: "2013-12-02T04:00:00Z" });
    expect(timeRange(view("range=all"), [dataset])).toEqual({ zone: "America/New_York", query: {}, axis: [Date.UTC(2013, 0, 1, 5) / 1000, Date.UTC(2013, 11, 31, 5) / 1000] });
    expect(timeRange(view("range=30"), [])).toEqual({ zone: "UTC", query: {}, axis: null });
  });

  it("takes custom dates in the dataset's zone, the last one included", () => {
    expect(timeRange(view("from=2013-02-08&to=2013-02-09"), [dataset]).query).toEqual({ from: "2013-02-08T05:00:00Z", to: "2013-02-10T05:00:00Z" });
    expect(timeRange(view("from=2013-02-08&to=2013-02-09"), [dataset]).axis).toEqual([Date.UTC(2013, 1, 8, 5) / 1000, Date.UTC(2013, 1, 9, 5) / 1000]);
    expect(timeRange(view("from=2013-02-08"), [dataset]).query).toEqual({ from: "2013-02-08T05:00:00Z" });
  });

  it("widens for a link to an older period", () => {
    expect(timeRange(view("series=1&at=2013-02-09T05:00:00Z"), [dataset]).query).toEqual({});
  });
});
