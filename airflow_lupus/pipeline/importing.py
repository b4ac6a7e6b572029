"""History that other tools have measured: rows are checked one by one, and saved when all of them are right."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_lupus.exceptions import OwnershipError, SpecError, did_you_mean
from airflow_lupus.metrics import metric_named
from airflow_lupus.metrics.counts import Count
from airflow_lupus.metrics.entities import EntityCount
from airflow_lupus.model import (
    ANY_COLUMN,
    LEAF,
    TOTAL,
    Grain,
    Measurement,
    PeriodRecord,
    PeriodStatus,
    Point,
    PointStatus,
    SeriesInfo,
    SeriesKey,
    TaskRef,
    dimensions,
    from_epoch,
)
from airflow_lupus.stores.base import DatasetInfo, Saved, Scope
from airflow_lupus.stores.texts import check_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow_lupus.model import DimensionValue
    from airflow_lupus.stores.base import Store

REQUIRED = ("column", "metric", "period", "value")
OPTIONAL = ("dataset", "dimensions", "grain", "timezone", "level", "n")
DIMENSION = "dim."
AT_ONCE = 500_000
"""Points in one transaction."""
MEMORY = "1GB"
"""What checked rows may take before they go to disk."""
ORIGIN = "import"


@dataclass(frozen=True)
class Rows:
    """A table to import."""

    name: str
    """For messages: the file, or the connection of the query."""
    columns: Sequence[str]
    batches: Iterator[Sequence[Sequence[Any]]]


@dataclass(frozen=True)
class Form:
    """How rows are to be read, where they do not say it themselves."""

    dataset: str | None = None
    grain: str = "day"
    timezone: str = "UTC"
    dimensions: Sequence[str] = ()
    """Columns that are dimensions though their names do not begin with `dim.`."""


@dataclass
class Imported:
    """What there is of a dataset to import."""

    name: str
    grain: Grain
    row: int
    """Its first."""
    series: list[int] = field(default_factory=list)
    points: int = 0
    first: int = 0
    last: int = 0
    """Starts of its first and last period."""

    def describe(self) -> str:
        start, end = (self.grain.local(at) for at in (from_epoch(self.first), self.grain.containing(from_epoch(self.last)).end))
        return (
            f"{self.name}: {self.points:,} points of {len(self.series):,} series, "
            f"[{start:%Y-%m-%d %H:%M}, {end:%Y-%m-%d %H:%M}) {self.grain.timezone}"
        )


class _Columns:
    """Where in a row stands what."""

    def __init__(self, rows: Rows, form: Form) -> None:
        names = list(rows.columns)
        self.groups: list[tuple[int, str]] = []
        for i, name in enumerate(names):
            if name in form.dimensions or name.startswith(DIMENSION):
                self.groups.append((i, name if name in form.dimensions else name.removeprefix(DIMENSION)))
            elif name not in {*REQUIRED, *OPTIONAL}:
                msg = (
                    f"{rows.name}: unknown column {name!r}: {did_you_mean(name, [*REQUIRED, *OPTIONAL])}; "
                    f"name a dimension {DIMENSION}{name}, or say --dimension {name}"
                )
                raise SpecError(msg)
        needed = [*REQUIRED, *([] if form.dataset else ["dataset"]), *form.dimensions]
        lacking = [name for name in needed if name not in names]
        if lacking:
            hint = "; or say --dataset" if "dataset" in lacking else ""
            msg = f"{rows.name}: there is no column {', '.join(map(repr, lacking))}: {did_you_mean(lacking[0], names)}{hint}"
            raise SpecError(msg)
        if self.groups and "dimensions" in names:
            msg = f"{rows.name}: dimensions are given twice, as column 'dimensions' and as {names[self.groups[0][0]]!r}: leave one out"
            raise SpecError(msg)
        # What is not there is looked up in a NULL behind the row.
        self.at = {name: names.index(name) if name in names else len(names) for name in (*REQUIRED, *OPTIONAL)}


class Staged:
    """Rows that are right by themselves, in a database on disk: there may be more of them than fit into memory."""

    def __init__(self, folder: Path) -> None:
        import duckdb

        self.connection = duckdb.connect(str(folder / "rows.duckdb"), config={"memory_limit": MEMORY, "threads": 2})
        self.connection.execute(
            'CREATE TABLE staged ("row" BIGINT, dataset INTEGER, series INTEGER, start BIGINT, value DOUBLE, status TINYINT, n BIGINT)'
        )
        self.datasets: list[Imported] = []
        self.series: list[SeriesInfo] = []

    def add(self, rows: Sequence[tuple[Any, ...]]) -> None:
        import pyarrow as pa

        types = [pa.int64(), pa.int32(), pa.int32(), pa.int64(), pa.float64(), pa.int8(), pa.int64()]
        names = ["row", "dataset", "series", "start", "value", "status", "n"]
        columns = zip(types, zip(*rows, strict=True), strict=True)
        self.connection.register("batch", pa.table([pa.array(values, type_) for type_, values in columns], names=names))
        self.connection.execute("INSERT INTO staged SELECT * FROM batch")
        self.connection.unregister("batch")

    def finish(self, name: str) -> None:
        """Count what there is, and refuse two rows for one point."""
        query = 'SELECT min("row"), max("row"), any_value(start), series FROM staged GROUP BY series, start HAVING count(*) > 1'
        twice = self.connection.execute(f"{query} ORDER BY 1 LIMIT 1").fetchone()
        if twice:
            first, second, start, series = twice
            key = self.series[series].key
            at = key.grain.local(from_epoch(start))
            msg = f"{name}, row {second}, column 'period': row {first} has {key} in the period of {at:%Y-%m-%d %H:%M} already"
            raise SpecError(msg)
        for index, count, first, last in self.connection.execute(
            "SELECT dataset, count(*), min(start), max(start) FROM staged GROUP BY dataset"
        ).fetchall():
            dataset = self.datasets[index]
            dataset.points, dataset.first, dataset.last = count, first, last

    def chunks(self, dataset: Imported) -> Iterator[list[tuple[Any, ...]]]:
        """Its points by period: series, start, value, status, n."""
        found = self.connection.execute(
            "SELECT series, start, value, status, n FROM staged WHERE dataset = ? ORDER BY start, series", [self.datasets.index(dataset)]
        )
        while chunk := found.fetchmany(AT_ONCE):
            yield chunk


@contextmanager
def staged(rows: Rows, form: Form) -> Iterator[Staged]:
    """Check every row.

    :raises SpecError: one is not right; the message names its number (of rows of data, from 1) and column.
    """
    columns = _Columns(rows, form)
    with tempfile.TemporaryDirectory(prefix="lupus-import-") as folder:
        stage = Staged(Path(folder))
        try:
            reader = _Reader(rows.name, columns, form, stage)
            for batch in rows.batches:
                if batch:
                    stage.add([reader.read(row) for row in batch])
            stage.finish(rows.name)
            yield stage
        finally:
            stage.connection.close()


class _Reader:
    """Understands rows, remembering what it has understood: a million of them share few series and periods."""

    def __init__(self, name: str, columns: _Columns, form: Form, stage: Staged) -> None:
        self.name = name
        self.at = columns.at
        self.groups = columns.groups
        self.form = form
        self.stage = stage
        self.count = 0
        self._datasets: dict[str, tuple[int, Imported]] = {}
        self._series: dict[SeriesKey, int] = {}
        self._known: dict[tuple[Any, ...], tuple[int, int, Grain]] = {}
        self._starts: dict[tuple[Grain, Any], int] = {}

    def read(self, row: Sequence[Any]) -> tuple[Any, ...]:
        self.count += 1
        row = (*row, None)
        at = self.at
        says = [row[at[name]] for name in ("dataset", "column", "metric", "dimensions", "grain", "timezone", "level")]
        groups = tuple((name, type(row[i]), row[i]) for i, name in self.groups)
        key = (*says, groups)
        try:
            found = self._known.get(key)
        except TypeError as error:
            raise self._wrong("dimensions", "lists and structures are no groups: write a JSON object as text") from error
        if found is None:
            found = self._known[key] = self._understand(says, {name: value for name, _, value in groups})
        dataset, series, grain = found
        period = row[at["period"]]
        start = self._starts.get((grain, period)) if isinstance(period, str | date) else None
        if start is None:
            start = self._starts[grain, period] = self._period(grain, period)
        point = Point.of(start, self._value(row[at["value"]]), self._n(row[at["n"]]))
        return self.count, dataset, series, start, point.value, int(point.status), point.n

    def _wrong(self, column: str, what: object) -> SpecError:
        return SpecError(f"{self.name}, row {self.count}, column {column!r}: {what}")

    def _text(self, column: str, value: Any) -> str:
        if not isinstance(value, str) or not value:
            raise self._wrong(column, f"{value!r} is no text" if value is not None and value != "" else "it is empty")
        try:
            check_text(column, value)
        except SpecError as error:
            raise self._wrong(column, error) from error
        return value

    def _understand(self, says: Sequence[Any], groups: dict[str, Any]) -> tuple[int, int, Grain]:
        dataset, column, metric, given, unit, zone, level = says
        name = self._text("dataset", dataset or self.form.dataset)
        try:
            grain = Grain(str(unit or self.form.grain), str(zone or self.form.timezone))
        except SpecError as error:
            raise self._wrong("grain" if unit else "timezone", error) from error
        column = self._text("column", column)
        try:
            described = metric_named(self._text("metric", metric), "table" if column == ANY_COLUMN else "column")
        except SpecError as error:
            if str(error).startswith(self.name):
                raise
            rule = f"; a metric of the table has the column {ANY_COLUMN!r}, and no other" if " is a metric of " in str(error) else ""
            raise self._wrong("metric", f"{error}{rule}") from error
        dims = self._dimensions(given) if not self.groups else self._groups(groups)
        if isinstance(described, Count) and column in dims:
            described = EntityCount()
        base = dims.keys() - ({column} if described.per_entity else set())
        if level not in {None, "", TOTAL, LEAF} or (level == TOTAL and base) or (level == LEAF and not dims):
            raise self._wrong("level", f"{level!r} with dimensions {dims}: {TOTAL} is over all rows, {LEAF} of a group")
        position, imported = self._datasets.setdefault(name, (len(self._datasets), Imported(name, grain, self.count)))
        if imported.grain != grain:
            msg = f"dataset {name!r} has {grain} here and {imported.grain} in row {imported.row}: a dataset has one grain"
            raise self._wrong("grain", msg)
        if position == len(self.stage.datasets):
            self.stage.datasets.append(imported)
        key = SeriesKey(name, column, described.name, dimensions(dims), level or (LEAF if base else TOTAL), grain)
        series = self._series.setdefault(key, len(self._series))
        if series == len(self.stage.series):
            self.stage.series.append(SeriesInfo(key, described.kind, described.unit))
            imported.series.append(series)
        return position, series, grain

    def _dimensions(self, given: Any) -> dict[str, DimensionValue]:
        if given is None or given == "":
            return {}
        try:
            found = json.loads(given, parse_constant=_no_constant) if isinstance(given, str) else None
        except ValueError as error:
            raise self._wrong("dimensions", f"{given!r} is no JSON ({error})") from error
        if not isinstance(found, dict):
            raise self._wrong("dimensions", f'{given!r} is no JSON object, such as {{"origin": "JFK"}}')
        return self._checked("dimensions", found)

    def _groups(self, given: dict[str, Any]) -> dict[str, DimensionValue]:
        return {name: value for each, at in given.items() for name, value in self._checked(each, {each: at}).items()}

    def _checked(self, column: str, given: dict[str, Any]) -> dict[str, DimensionValue]:
        for name, value in given.items():
            if not isinstance(value, str | int | float | bool | None) or value != value:  # noqa: PLR0124  NaN is not itself
                raise self._wrong(column, f"{name} is {value!r}: a group is a text, a number, true, false or NULL")
            try:
                check_text("dimension", name)
                if isinstance(value, str):
                    check_text("group", value)
            except SpecError as error:
                raise self._wrong(column, error) from error
        return given

    def _period(self, grain: Grain, value: Any) -> int:
        if not isinstance(value, str | date) or not value:
            raise self._wrong("period", f"{value!r} is no date or time" if value is not None and value != "" else "it is empty")
        try:
            instant = grain.parse(value if isinstance(value, str) else value.isoformat())
            period = grain.containing(instant)
        except (SpecError, OverflowError) as error:
            raise self._wrong("period", error) from error
        if period.start != instant:
            start = grain.local(period.start)
            raise self._wrong("period", f"{value} is not the start of a {grain}; that is {start.isoformat(sep=' ')}")
        return period.epoch

    def _value(self, value: Any) -> float | None:
        if value is None or value == "":
            return None
        if isinstance(value, str | int | float | Decimal) and not isinstance(value, bool):
            try:
                if not isinstance(value, str) or "_" not in value:  # which Python allows in numbers
                    return float(value)
            except (ValueError, OverflowError):
                pass
        raise self._wrong("value", f"{value!r} is no number; NULL or nothing is undefined, nan, inf and -inf are as they are")

    def _n(self, value: Any) -> int | None:
        number = self._number_of_rows(value)
        if number is not None and not 0 <= number < 2**63:
            raise self._wrong("n", f"{value!r} is no number of rows")
        return number

    def _number_of_rows(self, value: Any) -> int | None:
        if value is None or value == "" or value != value:  # noqa: PLR0124  pandas writes integers with gaps as NaN
            return None
        try:
            number = int(value)
            return number if isinstance(value, str) or number == value else -1
        except (TypeError, ValueError, OverflowError):
            return -1


def check(store: Store, stage: Staged, dag_id: str, name: str) -> dict[str, DatasetInfo]:
    """The datasets as they are to be saved: as the store has them, or new ones.

    :raises OwnershipError: one is another DAG's.
    :raises SpecError: one has another grain.
    """
    declared = {}
    for dataset in stage.datasets:
        known = store.declared(dataset.name)
        if known is None:
            declared[dataset.name] = DatasetInfo(dataset.name, dataset.grain)
            continue
        info, owner = known
        if owner != dag_id and not info.shared:
            msg = (
                f"{name}, row {dataset.row}, column 'dataset': {dataset.name!r} belongs to DAG {owner!r}, not to {dag_id!r}: say --dag-id "
                f"{owner}, or give it another name"
            )
            raise OwnershipError(msg)
        if info.grain != dataset.grain:
            msg = (
                f"{name}, row {dataset.row}, column 'period': {dataset.name!r} is measured by {info.grain}, and these rows are by "
                f"{dataset.grain}: say --grain {info.grain.unit} --timezone {info.grain.timezone}"
            )
            raise SpecError(msg)
        declared[dataset.name] = info
    return declared


def save(
    store: Store, stage: Staged, datasets: Mapping[str, DatasetInfo], dag_id: str, progress: Callable[[int], None] = lambda _done: None
) -> dict[str, Saved]:
    """Save what was staged, in chunks; each is one transaction, and the same again changes nothing.

    :param progress: told the points that are saved so far.
    :returns: what became of each dataset.
    """
    task = TaskRef(dag_id, ORIGIN, "lupus_import")
    outcome = {}
    done = 0
    for dataset in stage.datasets:
        total = Saved()
        for chunk in stage.chunks(dataset):
            points: dict[SeriesInfo, list[Point]] = {}
            for series, start, value, status, n in chunk:
                points.setdefault(stage.series[series], []).append(Point(start, value, n, PointStatus(status)))
            starts = sorted({row[1] for row in chunk})
            records = tuple(PeriodRecord(dataset.grain.containing(from_epoch(start)), PeriodStatus.OK) for start in starts)
            measurement = Measurement(records, points, origin=ORIGIN)
            saved = store.save(datasets[dataset.name], {"origin": ORIGIN}, Scope((), ()), measurement, task)
            total = Saved(total.added + saved.added, total.updated + saved.updated, 0, total.unchanged + saved.unchanged)
            done += len(chunk)
            progress(done)
        outcome[dataset.name] = total
    return outcome


def _no_constant(name: str) -> float:
    msg = f"{name} is no JSON"
    raise ValueError(msg)
