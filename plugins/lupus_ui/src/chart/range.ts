/** Zero is in sight where it means something, and nothing touches the frame. */
export function yRange(low: number | null, high: number | null, zeroed: boolean, log: boolean, unit: string | null): [number, number] {
  if (low === null || high === null) return [log ? 1 : 0, log ? 10 : 1];
  if (log) return [low / 1.5, high * 1.5];
  const space = (high - low || Math.abs(high) || 1) * 0.08;
  if (!zeroed) return [low - space, high + space];
  const top = high <= 0 ? 0 : high + Math.max(space, high * 0.08);
  return [low < 0 ? low - space : 0, unit === "ratio" && high <= 1 ? Math.min(top || 0.01, 1.04) : top || 1];
}
