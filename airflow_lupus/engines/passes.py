"""Running the passes of a plan, wherever its queries are answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_lupus.engines.assembling import Assembly
from airflow_lupus.metrics.operands import Elements

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from airflow_lupus.engines.base import Scan
    from airflow_lupus.engines.plan import Plan
    from airflow_lupus.engines.queries import Queries
    from airflow_lupus.metrics.base import Need
    from airflow_lupus.model import Period
    from airflow_lupus.specs import MeasureSpec


def run_passes(
    queries: Queries, plan: Plan, needs: Sequence[Need], fetch: Callable[[str], pa.Table], spec: MeasureSpec, periods: Sequence[Period]
) -> Scan:
    """Everything that was asked for.

    :param needs: that is.
    :param fetch: what answers a query.
    """
    scalars = fetch(queries.scalars(plan.scalars))
    assembly = Assembly(spec, periods, scalars, plan.scalars)
    for column, wanted in plan.elements.items():
        assembly.add_elements(fetch(queries.elements(column, wanted)), wanted)
    for operand, counted in plan.counted.items():
        if counted.fetched:
            assembly.add_counts(fetch(queries.counts(operand, counted)), operand, counted, numeric=queries.is_number(operand))
        else:
            assembly.add_levels(fetch(queries.reduced(operand, counted, counted.needs)), counted.needs)
    for operand, primitives in plan.quantiles.items():
        assembly.add_quantiles(fetch(queries.quantiles(operand, primitives)), operand, primitives)
    if plan.powers:
        shifts = assembly.shifts(plan.powers)
        for list_column, own in _powers(plan).items():
            assembly.add_powers(fetch(queries.powers(list_column, own, shifts)), own)
    first_text = len(plan.scalars)
    unfit = {
        column: [
            None if text is None else f"column {column!r} holds {text[:100]!r}, which is no {queries.source.types[column].native}"
            for text in scalars[f"a{first_text + i}"].to_pylist()
        ]
        for i, column in enumerate(queries.source.unfit)
    }
    return assembly.scan(needs, unfit)


def shown(queries: Queries, plan: Plan) -> list[str]:
    """The queries of a plan, to look at. What is shifted by a mean that only the scan knows is shown with 0."""
    passes = [queries.scalars(plan.scalars)]
    passes += [queries.elements(column, wanted) for column, wanted in plan.elements.items()]
    for operand, counted in plan.counted.items():
        passes.append(queries.counts(operand, counted) if counted.fetched else queries.reduced(operand, counted, counted.needs))
    passes += [queries.quantiles(operand, primitives) for operand, primitives in plan.quantiles.items()]
    shifts = dict.fromkeys((operand for operand, _ in plan.powers), 0.0)
    return passes + [queries.powers(list_column, own, shifts) for list_column, own in _powers(plan).items()]


def _powers(plan: Plan) -> dict[str | None, list[Need]]:
    """List column, or None for what is of rows → the third and fourth moments of a query."""
    columns = {operand.name if isinstance(operand, Elements) else None for operand, _ in plan.powers}
    return {
        column: [need for need in plan.powers if (need[0].name if isinstance(need[0], Elements) else None) == column]
        for column in sorted(columns, key=str)
    }
