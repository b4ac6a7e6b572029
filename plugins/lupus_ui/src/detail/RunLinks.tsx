import { HStack, Link } from "@chakra-ui/react";
import { Link as RouterLink } from "react-router-dom";

import type { Chart } from "../api";

/** Addresses in the answer are relative to Airflow's base, which is the router's root. */
const within = (address: string) => `/${address.replace(/^\/+/, "")}`;

export function RunLinks({ chart, index }: { chart: Chart; index: number }) {
  const position = chart.run[index] ?? null;
  const run = position === null ? undefined : chart.runs[position];
  if (!run) return null;
  return (
    <HStack gap={3} display="inline-flex">
      <Link asChild color="fg.info" title={run.run_id}>
        <RouterLink to={within(run.run_url)}>Run</RouterLink>
      </Link>
      <Link asChild color="fg.info" title={`${run.task_id}, try ${run.try_number}`}>
        <RouterLink to={within(run.log_url)}>Log</RouterLink>
      </Link>
    </HStack>
  );
}
