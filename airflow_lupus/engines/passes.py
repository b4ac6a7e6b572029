"""Running the passes of a plan, wherever its queries are answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_lupus.engines.assembling import Assembly
from airflow_lupus.metrics.operands import Elements, Function

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from airflow_lupus.engines.base import Scan
    from airflow_lupus.engines.plan import Plan
    from airflow_lupus.engines.queries import Queries
    from airflow_lupus.metrics.base import Need
    from airflow_lupus.model import Period
    from airflow_lupus.specs import MeasureSpec


def explained(queries: Queries, plan: Plan) -> list[str]:
    """The queries of a plan, but for those of powers where they need the answers of others."""
    shown = [queries.scalars(plan.scalars)]
    shown += [queries.elements(column, wanted) for column, wanted in plan.elements.items()]
    for operand, counted in plan.counted.items():
        shown.append(queries.counts(operand, counted) if counted.fetched else queries.reduced(operand, counted, counted.needs))
    shown += [queries.quantiles(operand, primitives) for operand, primitives in plan.quantiles.items()]
    shown += [queries.ranked(operand, wanted) for operand, wanted in plan.ranked.items()]
    shown += [queries.rows(own.columns) if isinstance(own, Function) else queries.own(own) for own in plan.own]
    if queries.dialect.shifts_by_group:
        shown += [queries.powers(column, wanted, {}) for column, wanted in _powers(plan).items()]
    return shown


def run_passes(
    queries: Queries,
    plan: Plan,
    needs: Sequence[Need],
    fetch: Callable[[str], pa.Table],
    spec: MeasureSpec,
    periods: Sequence[Period],
    failures: tuple[type[Exception], ...] = (),
) -> Scan:
    """Everything that was asked for.

    :param needs: that is.
    :param fetch: what answers a query.
    :param failures: the errors by which it says that a user's aggregate fails on the data.
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
    for ranked, wanted in plan.ranked.items():
        assembly.add_levels(fetch(queries.ranked(ranked, wanted)), wanted)
    for own in plan.own:
        if isinstance(own, Function):
            assembly.add_function(fetch(queries.rows(own.columns)), own)
            continue
        try:
            assembly.add_own(fetch(queries.own(own)), own)
        except failures as error:
            assembly.fail_own(own, str(error).strip().split("\n")[0][:500])
    if plan.powers:
        shifts = assembly.shifts(plan.powers)
        for list_column, wanted in _powers(plan).items():
            assembly.add_powers(fetch(queries.powers(list_column, wanted, shifts)), wanted)
    first_text = len(plan.scalars)
    unfit = {
        column: [
            None if text is None else f"column {column!r} holds {text[:100]!r}, which is no {queries.source.types[column].native}"
            for text in scalars[f"a{first_text + i}"].to_pylist()
        ]
        for i, column in enumerate(queries.source.unfit)
    }
    return assembly.scan(needs, unfit)


def _powers(plan: Plan) -> dict[str | None, list[Need]]:
    """List column, or None for what is of rows → the third and fourth moments of a query."""
    columns = {operand.name if isinstance(operand, Elements) else None for operand, _ in plan.powers}
    return {
        column: [need for need in plan.powers if (need[0].name if isinstance(need[0], Elements) else None) == column]
        for column in sorted(columns, key=str)
    }
