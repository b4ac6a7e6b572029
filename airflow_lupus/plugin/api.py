"""The routes of the page. All of them read, and answer only for DAGs that the user may read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Query

from airflow_lupus.hooks.store import get_store
from airflow_lupus.plugin import schemas  # noqa: TC001  FastAPI needs it at run time
from airflow_lupus.plugin.access import ReadableDags, get_user
from airflow_lupus.plugin.explorer import Explorer
from airflow_lupus.stores.reading import Filter
from airflow_lupus.stores.restating import Restated

router = APIRouter(prefix="/api/v1", dependencies=[Depends(get_user)])

At = Annotated[datetime | None, Query(description="ISO date or instant; without a zone it is UTC")]
Words = Annotated[list[str] | None, Query()]
Retired = Annotated[bool, Query(description="Show what is retired too")]
MOST_CHARTS = 50


def _epoch(at: datetime | None) -> int | None:
    if at is None:
        return None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def _mine(readable: set[str], dag_id: str | None) -> set[str]:
    """The DAGs to answer for; asking for one that may not be read is asking for nothing."""
    return readable if dag_id is None else readable & {dag_id}


def _dimensions(dims: list[str] | None) -> dict[str, list[schemas.DimensionValue]]:
    """`origin:"JFK"` → `{"origin": ["JFK"]}`; the value is JSON so that NULL, numbers and text stay apart."""
    wanted: dict[str, list[schemas.DimensionValue]] = {}
    for dim in dims or ():
        name, _, value = dim.partition(":")
        try:
            wanted.setdefault(name, []).append(json.loads(value))
        except json.JSONDecodeError as error:
            msg = f'dim={dim!r} is not <name>:<JSON value>, such as origin:"JFK"'
            raise HTTPException(422, msg) from error
    return wanted


@router.get("/datasets")
def datasets(
    readable: ReadableDags,
    dag_id: str | None = None,
    start: Annotated[At, Query(alias="from")] = None,
    end: Annotated[At, Query(alias="to")] = None,
    retired: Retired = False,
) -> schemas.Datasets:
    """The datasets that readable DAGs measure, and how their periods arrived."""
    wanted = Filter(_mine(readable, dag_id), start=_epoch(start), end=_epoch(end), retired=retired)
    return Explorer(get_store()).datasets(wanted)


@router.get("/series")
def series(
    readable: ReadableDags,
    dag_id: str | None = None,
    dataset: Words = None,
    column: Words = None,
    metric: Words = None,
    level: Words = None,
    dim: Words = None,
    q: str = "",
    anomalous: bool = False,
    start: Annotated[At, Query(alias="from")] = None,
    end: Annotated[At, Query(alias="to")] = None,
    retired: Retired = False,
    order: Literal["worst", "name", "newest"] = "worst",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> schemas.SeriesPage:
    """A page of the series that pass the filters, and what each further choice would leave."""
    wanted = Filter(
        _mine(readable, dag_id),
        dataset=dataset or (),
        column=column or (),
        metric=metric or (),
        level=level or (),
        dimensions=_dimensions(dim),
        text=q,
        start=_epoch(start),
        end=_epoch(end),
        anomalous=anomalous,
        retired=retired,
    )
    return Explorer(get_store()).page(wanted, order, limit, offset)


@router.get("/charts")
def charts(
    readable: ReadableDags,
    id: Annotated[list[int], Query(max_length=MOST_CHARTS)],  # noqa: A002  the query's own name
    start: Annotated[At, Query(alias="from")] = None,
    end: Annotated[At, Query(alias="to")] = None,
    as_of: At = None,
) -> schemas.Charts:
    """Points, bands and anomalies of some series, retired ones too; `as_of`: as they were known at an instant.

    Verdicts are kept of the newest value only, so a value that was replaced after the instant comes without one.
    """
    found = Explorer(get_store()).charts(id, Filter(readable, start=_epoch(start), end=_epoch(end), as_of=_epoch(as_of)))
    if found is None:
        msg = "No such series, or one of a DAG that you may not read"
        raise HTTPException(404, msg)
    return found


@router.get("/restatements")
def restatements(
    readable: ReadableDags,
    dataset: str | None = None,
    start: Annotated[At, Query(alias="from")] = None,
    end: Annotated[At, Query(alias="to")] = None,
    since: At = None,
    retired: Retired = False,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> schemas.Restatements:
    """Points that later measurements replaced or did not find any more, the newest first.

    `from` and `to` are about the points' periods, `since` about when they were replaced.
    """
    wanted = Restated(readable, dataset, _epoch(start), _epoch(end), _epoch(since), retired)
    return Explorer(get_store()).restatements(wanted, limit, offset)
