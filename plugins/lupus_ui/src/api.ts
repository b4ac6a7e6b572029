import { useEffect, useState } from "react";

import type { components } from "./api.gen";

type Schemas = components["schemas"];
export type Dataset = Schemas["Dataset"];
export type Datasets = Schemas["Datasets"];
export type Series = Schemas["Series"];
export type SeriesPage = Schemas["SeriesPage"];
export type Facet = Schemas["Facet"];
export type Judgement = Schemas["Judgement"];
export type Chart = Schemas["Chart"];
export type Charts = Schemas["Charts"];
export type Run = Schemas["Run"];
export type Severity = NonNullable<Judgement["severity"]>;
export type Kind = Series["kind"];
export type DimensionValue = Schemas["FacetValue"]["value"];
export type PointStatus = Chart["status"][number];

export type Query = Record<string, string | number | boolean | readonly (string | number)[] | null | undefined>;

/** What went wrong, in a sentence for the reader. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export function pathOf(route: string, query: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === "") continue;
    for (const item of Array.isArray(value) ? value : [value]) search.append(name, String(item));
  }
  const text = search.toString();
  return `lupus/api/v1/${route}${text ? `?${text}` : ""}`;
}

export async function get<T>(path: string, signal: AbortSignal): Promise<T> {
  let answer: Response;
  try {
    // Against the base address and not the root: Airflow may be served under a path of its own.
    answer = await fetch(new URL(path, document.baseURI), { signal, headers: { Accept: "application/json" } });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Problem(0, "Airflow cannot be reached. Check the network and try again.");
  }
  if (answer.ok) return (await answer.json()) as T;
  const body: unknown = await answer.json().catch(() => null);
  throw new Problem(answer.status, wording(answer.status, detailOf(body)));
}

function detailOf(body: unknown): string {
  const detail = body && typeof body === "object" && "detail" in body ? body.detail : null;
  if (!Array.isArray(detail)) return typeof detail === "string" ? detail : "";
  // FastAPI's own refusals of a query are a list of places and messages.
  return (detail as { loc?: unknown[]; msg?: string }[]).map(({ loc, msg }) => `${String(loc?.at(-1) ?? "query")}: ${msg ?? "not valid"}`).join("; ");
}

export function wording(status: number, detail: string): string {
  if (status === 401) return "You are not logged in any more. Reload the page to log in.";
  if (status === 403) return `You may not see this. ${detail || "Ask an administrator for read access to the DAG."}`;
  return detail || `The server answered with status ${status}. Its log says why.`;
}

export interface Answer<T> {
  data: T | undefined;
  error: Problem | undefined;
  /** True while `data` belongs to an earlier path: show it, but quietly. */
  loading: boolean;
}

const asProblem = (error: unknown) => (error instanceof Problem ? error : new Problem(0, String(error)));

/** Gets a path; keeps the old answer until the new one is there, and aborts requests that nobody waits for. */
export function useGet<T>(path: string | null, attempt = 0): Answer<T> {
  const [state, setState] = useState<{ path: string | null; data?: T; error?: Problem }>({ path: null });
  useEffect(() => {
    if (path === null) return;
    const abort = new AbortController();
    get<T>(path, abort.signal).then(
      (data) => setState({ path, data }),
      (error: unknown) => {
        if (!abort.signal.aborted) setState({ path, error: asProblem(error) });
      },
    );
    return () => abort.abort();
  }, [path, attempt]);
  return { data: state.data, error: state.path === path ? state.error : undefined, loading: state.path !== path };
}
