import { Box, Button, Grid, Heading, Text } from "@chakra-ui/react";
import { useState } from "react";

import { pathOf, type Series, type SeriesPage, useGet } from "../api";
import { SeriesCard } from "../explorer/SeriesCard";
import { useCharts } from "../explorer/useCharts";
import { metricName, plural } from "../format";
import type { TimeRange } from "../view";

const MOST = 24;
const FIRST = 3;

/** The same metric of the other groups: is it here only, or everywhere? */
export function Siblings({ series, range, axis, dagId }: { series: Series; range: TimeRange; axis: [number, number] | null; dagId: string | undefined }) {
  const { dataset, column, metric } = series;
  const { data } = useGet<SeriesPage>(pathOf("series", { dataset, column, metric, dag_id: dagId, ...range.query, order: "worst", limit: MOST + 1 }));
  const feed = useCharts(range.query, 0);
  const [open, setOpen] = useState(false);
  const others = data?.series.filter((one) => one.id !== series.id).slice(0, MOST) ?? [];
  if (!data || others.length === 0) return null;
  const anomalous = Object.values(data.anomalous).reduce((sum, count) => sum + count, 0);
  return (
    <Box as="section" aria-label="Other groups" mt={6}>
      <Heading size="sm">{metricName(series)} of other groups</Heading>
      <Text color="fg.muted" fontSize="sm" mb={2}>
        {anomalous} of {plural(data.total, "series", "series")} of this metric {anomalous === 1 ? "has" : "have"} anomalies in this time
        {data.total - 1 > FIRST ? "; the worst first" : ""}.
      </Text>
      <Grid templateColumns="repeat(auto-fill, minmax(min(100%, 330px), 1fr))" gap={3}>
        {(open ? others : others.slice(0, FIRST)).map((one) => (
          <SeriesCard key={one.id} series={one} chart={feed.charts.get(one.id)} axis={axis} see={feed.see} />
        ))}
      </Grid>
      {others.length > FIRST ? (
        <Button size="xs" variant="plain" px={0} color="fg.info" onClick={() => setOpen(!open)}>
          {open ? "Show fewer" : `Show ${others.length - FIRST} more`}
        </Button>
      ) : null}
    </Box>
  );
}
