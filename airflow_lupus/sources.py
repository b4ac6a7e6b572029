"""Where the data is: what a user writes. Opening a source is the business of `airflow_lupus.hooks`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from string import Formatter
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_lupus.exceptions import SpecError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_lupus.model import Grain, Period

FORMATS = {"parquet": ("parquet", "pq"), "csv": ("csv", "tsv", "txt")}
CSV_OPTIONS = {"header", "delim", "quote", "escape", "nullstr", "dateformat", "timestampformat", "skip", "comment", "types"}


class Source:
    """Anything that a dataset's rows can be read from."""

    template_fields: ClassVar[tuple[str, ...]] = ()

    @property
    def default_dataset(self) -> str:
        """The dataset's name where the user gives none."""
        raise NotImplementedError

    @property
    def per_period(self) -> bool:
        """Whether each period has a place of its own (a file), so that a range can be read without a time column."""
        return False

    def definition(self) -> dict[str, Any]:
        """What of the source makes a series' definition: a change of it restarts the baseline."""
        raise NotImplementedError

    def check_ranged(self) -> None:
        """Raise when this source cannot serve many periods in one run."""


@dataclass
class Files(Source):
    """Parquet or CSV files under a path or glob, on local disk or any object storage that Airflow knows.

    :param path: a path, URL or glob; `{period:%Y-%m-%d}` (any strftime format) stands for each measured period's start in the
        dataset's zone. Templated, but a path that Jinja dates (`{{ ds }}`) cannot serve a range of periods.
    :param conn_id: Airflow connection of the object storage.
    :param format: `parquet` or `csv`; by default told from the path's ending.
    :param options: for CSV, which is taken to have a header and commas (tabs in `.tsv`), DuckDB's reader options: header, delim, quote,
        escape, nullstr, dateformat, timestampformat, skip, comment, types.

    >>> from airflow_lupus.model import Grain
    >>> from datetime import datetime, UTC
    >>> day = Grain("day", "America/New_York")
    >>> Files("s3://lake/flights/{period:%Y/%m/%d}/*.parquet").expand(day.containing(datetime(2013, 2, 8, 12, tzinfo=UTC)), day)
    's3://lake/flights/2013/02/08/*.parquet'
    """

    path: str
    conn_id: str | None = None
    format: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    template_fields: ClassVar[tuple[str, ...]] = ("path",)

    def __post_init__(self) -> None:
        self.written_path = self.path
        """As the DAG's author wrote it, before Jinja."""
        if self.format is None:
            ending = PurePosixPath(self.path.removesuffix(".gz").removesuffix(".zst")).suffix.lstrip(".").lower()
            self.format = next((name for name, endings in FORMATS.items() if ending in endings), None)
            if self.format is None:
                msg = f'Files({self.path!r}): the ending does not tell the format; say format="parquet" or format="csv"'
                raise SpecError(msg)
        elif self.format not in FORMATS:
            msg = f"Files({self.path!r}): unknown format {self.format!r}: {did_you_mean(self.format, FORMATS)}"
            raise SpecError(msg)
        if self.format == "csv":
            # Told rather than sniffed: of a file whose last row is cut off, sniffing makes a single column.
            delimiter = "\t" if re.search(r"\.tsv(\.gz|\.zst)?$", self.path, re.IGNORECASE) else ","
            self.options = {"delim": delimiter, "header": True, **self.options}
        for option in self.options:
            if self.format != "csv" or option not in CSV_OPTIONS:
                known = CSV_OPTIONS if self.format == "csv" else ()
                msg = f"Files({self.path!r}): unknown {self.format} option {option!r}: {did_you_mean(option, known)}"
                raise SpecError(msg)
        if "{{" not in self.path:  # what Jinja will make of it is not known yet
            self._fields()

    def _fields(self) -> list[str]:
        try:
            names = [name for _, name, _, _ in Formatter().parse(self.path) if name is not None]
        except ValueError as error:
            msg = f"Files({self.path!r}): {error}; a literal brace is written twice"
            raise SpecError(msg) from error
        for name in names:
            if name != "period":
                msg = f"Files({self.path!r}): unknown placeholder {{{name}}}: {did_you_mean(name, ['period'])}"
                raise SpecError(msg)
        return names

    @property
    def default_dataset(self) -> str:
        fixed = re.split(r"[{*?\[]", self.written_path)[0].rstrip("/")
        return PurePosixPath(fixed).stem or "files"

    @property
    def per_period(self) -> bool:
        return bool(self._fields())

    def expand(self, period: Period, grain: Grain) -> str:
        """The path or glob of one period."""
        return self.path.format(period=grain.local(period.start)) if self.per_period else self.path

    def definition(self) -> dict[str, Any]:
        return {"files": self.written_path, "format": self.format, "options": dict(self.options)}

    def check_ranged(self) -> None:
        if "{{" in self.written_path and not self.per_period:
            msg = (
                f"Files({self.written_path!r}): Jinja renders once per task, so this path names one period and a range run would read "
                "it for all. Write {period:%Y-%m-%d} instead."
            )
            raise SpecError(msg)


@dataclass
class Table(Source):
    """A table or view of any Airflow SQL connection.

    :param name: `table` or `schema.table`.
    :param conn_id: the Airflow connection.
    """

    name: str
    conn_id: str
    template_fields: ClassVar[tuple[str, ...]] = ("name",)

    @property
    def default_dataset(self) -> str:
        return self.name

    def definition(self) -> dict[str, Any]:
        return {"table": self.name, "conn_id": self.conn_id}


@dataclass
class Query(Source):
    """The rows of an SQL query on any Airflow SQL connection; the period's filter and the columns are pushed into it.

    :param sql: one SELECT without a trailing semicolon.
    :param conn_id: the Airflow connection.
    :param name: the dataset's name where the operator gives none.
    """

    sql: str
    conn_id: str
    name: str | None = None
    template_fields: ClassVar[tuple[str, ...]] = ("sql",)

    def __post_init__(self) -> None:
        self.written_sql = self.sql

    @property
    def default_dataset(self) -> str:
        if self.name is None:
            msg = "A Query has no name of its own: give the operator a dataset"
            raise SpecError(msg)
        return self.name

    def definition(self) -> dict[str, Any]:
        return {"query": self.written_sql, "conn_id": self.conn_id}

    def check_ranged(self) -> None:
        if "{{" in self.written_sql:
            msg = "A Query that Jinja dates names one period: a range run needs the plain query and a time_column"
            raise SpecError(msg)


def require_source(where: str, source: object) -> None:
    """Raise unless it is a source."""
    if not isinstance(source, Source):
        msg = f"{where}: source must be Files(…), Table(…) or Query(…), not {source!r}"
        raise SpecError(msg)
