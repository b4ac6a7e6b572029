/** Airflow's theme for the canvas, which knows no CSS variables: read again whenever the theme changes. */

import { useSyncExternalStore } from "react";

const COLOURS = {
  line: "var(--chakra-colors-fg)",
  text: "var(--chakra-colors-fg-muted)",
  ground: "var(--chakra-colors-bg)",
  grid: "color-mix(in srgb, var(--chakra-colors-fg) 10%, transparent)",
  band: "color-mix(in srgb, var(--chakra-colors-blue-500) 16%, transparent)",
  expected: "color-mix(in srgb, var(--chakra-colors-blue-500) 60%, transparent)",
  gap: "var(--chakra-colors-fg-muted)",
  failed: "var(--chakra-colors-red-600)",
  note: "var(--chakra-colors-purple-fg, var(--chakra-colors-purple-500))",
  select: "var(--chakra-colors-blue-500)",
  warning: "var(--chakra-colors-yellow-500)",
  major: "var(--chakra-colors-orange-500)",
  critical: "var(--chakra-colors-red-600)",
} as const;

export type Palette = Record<keyof typeof COLOURS, string> & { font: string };

let current: Palette | null = null;
const listeners = new Set<() => void>();
let watcher: MutationObserver | null = null;

function read(): Palette {
  // An element's computed colour is the one form that every canvas understands.
  const probe = document.createElement("span");
  probe.style.display = "none";
  document.body.append(probe);
  const resolved = Object.fromEntries(
    Object.entries(COLOURS).map(([name, colour]) => {
      probe.style.color = colour;
      return [name, getComputedStyle(probe).color];
    }),
  ) as Record<keyof typeof COLOURS, string>;
  probe.remove();
  return { ...resolved, font: getComputedStyle(document.body).fontFamily };
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  watcher ??= new MutationObserver(() => {
    current = null;
    for (const each of listeners) each();
  });
  watcher.observe(document.documentElement, { attributes: true, attributeFilter: ["class", "data-theme", "style"] });
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) watcher?.disconnect();
  };
}

export const usePalette = (): Palette => useSyncExternalStore(subscribe, () => (current ??= read()));
