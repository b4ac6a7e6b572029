/** What is said when there is nothing to show. */

import { Alert, Box, Button, Heading, Text } from "@chakra-ui/react";
import type { ReactNode } from "react";

import type { Problem } from "../api";
import { CopyButton } from "./CopyButton";

const TITLES: Record<number, string> = { 401: "Not logged in", 403: "No permission", 404: "Not found", 503: "The metric store is out of reach" };

export function ErrorNote({ problem, onRetry }: { problem: Problem; onRetry?: () => void }) {
  return (
    <Alert.Root status={problem.status === 403 || problem.status === 404 ? "warning" : "error"} role="alert">
      <Alert.Indicator />
      <Alert.Content>
        <Alert.Title>{TITLES[problem.status] ?? "This could not be loaded"}</Alert.Title>
        <Alert.Description>{problem.message}</Alert.Description>
      </Alert.Content>
      {onRetry ? (
        <Button size="xs" variant="outline" onClick={onRetry}>
          Try again
        </Button>
      ) : null}
    </Alert.Root>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <Box borderWidth={1} borderRadius="md" p={6} my={2}>
      <Heading size="sm" mb={1}>
        {title}
      </Heading>
      {children}
    </Box>
  );
}

const SNIPPET = `from airflow.sdk import DAG
from airflow_lupus import AnomalyDetectOperator, DataMissingSensor, MetricCollectOperator, Table, TableMetrics

orders = Table("mart.orders", conn_id="warehouse")

with DAG("watch_orders", schedule="0 3 * * *"):
    wait = DataMissingSensor(task_id="wait", source=orders, min_rows=1)
    collect = MetricCollectOperator(
        task_id="collect",
        dataset="orders",
        source=orders,
        time_column="created_at",
        group_columns=["country"],
        column_metrics={"price": ["null_ratio", "avg", "p95"]},
        metrics=[TableMetrics(["row_count"])],
    )
    detect = AnomalyDetectOperator(task_id="detect", dataset="orders")
    wait >> collect >> detect
`;

export function FirstSteps({ dagId }: { dagId?: string | undefined }) {
  return (
    <Empty title={dagId ? "This DAG has measured nothing yet" : "Nothing is monitored yet"}>
      <Text color="fg.muted" mb={3}>
        Add three tasks to a DAG: wait for the data, collect its metrics, detect anomalies. Detectors and history have defaults; after the first run every
        series shows up here.
      </Text>
      <Box position="relative" borderWidth={1} borderRadius="md" bg="bg.subtle">
        <Box position="absolute" top={2} right={2}>
          <CopyButton text={SNIPPET} label="Copy code" />
        </Box>
        <Box as="pre" fontFamily="mono" fontSize="sm" p={3} pt={{ base: 12, md: 3 }} overflowX="auto">
          {SNIPPET}
        </Box>
      </Box>
    </Empty>
  );
}
