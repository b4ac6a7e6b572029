import { Box } from "@chakra-ui/react";
import { useMemo, useState } from "react";

import { type Datasets, pathOf, useGet } from "./api";
import { Detail } from "./detail/Detail";
import { Explorer } from "./explorer/Explorer";
import { timeRange, useView } from "./view";

/** What Airflow passes to a plugin's component; on the navigation's page all of it is absent. */
interface Props {
  dagId?: string;
}

export default function Lupus({ dagId }: Props) {
  const [view, change] = useView();
  const [attempt, setAttempt] = useState(0);
  // All time first: quick ranges count back from the newest data, which this says.
  const ever = useGet<Datasets>(pathOf("datasets", { dag_id: dagId }), attempt);
  const known = ever.data?.datasets;
  const range = useMemo(() => (known ? timeRange(view, known) : null), [known, view]);
  const bounded = range !== null && (range.query.from !== undefined || range.query.to !== undefined);
  const within = useGet<Datasets>(bounded ? pathOf("datasets", { dag_id: dagId, ...range.query }) : null, attempt);
  const common = {
    view,
    change,
    range,
    problem: ever.error ?? within.error,
    onRetry: () => setAttempt(attempt + 1),
    attempt,
    dagId,
  };
  return (
    <Box p={{ base: 2, md: 4 }} width="100%" minWidth={0} data-testid="lupus">
      {view.series === null ? (
        <Explorer
          {...common}
          datasets={bounded ? within.data?.datasets : known}
          anomalousEver={known?.reduce((sum, dataset) => sum + dataset.anomalous_series, 0) ?? 0}
        />
      ) : (
        <Detail {...common} id={view.series} />
      )}
    </Box>
  );
}
