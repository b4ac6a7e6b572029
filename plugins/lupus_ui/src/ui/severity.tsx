import { Badge, HStack } from "@chakra-ui/react";

import type { Severity } from "../api";
import { formatCount } from "../format";

export const SEVERITIES: readonly Severity[] = ["critical", "major", "warning"];

// The same shapes as on the canvas.
const SHAPES: Record<Severity, { path: string; colour: string; tint: string }> = {
  critical: { path: "M6 0 12 6 6 12 0 6Z", colour: "var(--chakra-colors-red-600)", tint: "red" },
  major: { path: "M6 0.5 11.6 11H0.4Z", colour: "var(--chakra-colors-orange-500)", tint: "orange" },
  warning: { path: "M6 1.2a4.8 4.8 0 1 1 0 9.6 4.8 4.8 0 0 1 0-9.6Z", colour: "var(--chakra-colors-yellow-500)", tint: "yellow" },
};

/** Within a badge the shape takes the badge's own colour, which stands out from its ground in both themes, and the badge says the word. */
export function SeverityShape({ severity, size = 12, plain = false }: { severity: Severity; size?: number; plain?: boolean }) {
  const { path, colour } = SHAPES[severity];
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 12 12"
      style={{ flexShrink: 0 }}
      {...(plain ? { "aria-hidden": true } : { role: "img", "aria-label": severity })}
    >
      <path d={path} fill={plain ? "currentColor" : colour} />
    </svg>
  );
}

export function SeverityBadge({ severity, count }: { severity: Severity; count?: number }) {
  return (
    <Badge colorPalette={SHAPES[severity].tint} variant="surface" size="md" data-severity={severity}>
      <HStack gap={1.5}>
        <SeverityShape severity={severity} size={10} plain />
        {count === undefined ? severity : `${formatCount(count)} ${severity}`}
      </HStack>
    </Badge>
  );
}
