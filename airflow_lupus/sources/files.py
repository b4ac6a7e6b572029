"""Files of rows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from string import Formatter
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_lupus.exceptions import SpecError, did_you_mean
from airflow_lupus.sources.base import Source, check_not_dated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_lupus.model import Grain, Period

FORMATS = {"parquet": ("parquet", "pq"), "csv": ("csv", "tsv", "txt"), "json": ("json", "jsonl", "ndjson")}
OPTIONS: dict[str, set[str]] = {
    "parquet": set(),
    "csv": {"header", "delim", "quote", "escape", "nullstr", "dateformat", "timestampformat", "skip", "comment", "types"},
    "json": {"format", "columns", "dateformat", "timestampformat", "sample_size", "maximum_object_size"},
}


@dataclass
class Files(Source):
    """Parquet, CSV or JSON files under a path or glob, on local disk or any object storage that Airflow knows.

    :param path: a path, URL or glob; `{period:%Y-%m-%d}` (any strftime format) stands for each measured period's start in the
        dataset's zone. Templated, but a path that Jinja dates (`{{ ds }}`) cannot serve a range of periods.
    :param conn_id: Airflow connection of the object storage.
    :param format: `parquet`, `csv` or `json`; by default told from the path's ending.
    :param options: DuckDB's reader options. For CSV, which is taken to have a header and commas (tabs in `.tsv`): header, delim, quote,
        escape, nullstr, dateformat, timestampformat, skip, comment, types. For JSON, an object a line or one array of objects: format,
        columns (name → type, of those that are to be read), dateformat, timestampformat, sample_size, maximum_object_size.

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
                msg = f'Files({self.path!r}): the ending does not tell the format; say format="parquet", format="csv" or format="json"'
                raise SpecError(msg)
        elif self.format not in FORMATS:
            msg = f"Files({self.path!r}): unknown format {self.format!r}: {did_you_mean(self.format, FORMATS)}"
            raise SpecError(msg)
        if self.format == "csv":
            # Told rather than sniffed: of a file whose last row is cut off, sniffing makes a single column.
            delimiter = "\t" if re.search(r"\.tsv(\.gz|\.zst)?$", self.path, re.IGNORECASE) else ","
            self.options = {"delim": delimiter, "header": True, **self.options}
        elif self.format == "json":
            # A key, or a fraction where there were whole numbers, that first comes after the sample would be an error.
            self.options = {"sample_size": -1, **self.options}
        known = OPTIONS[self.format]
        for option in self.options:
            if option not in known:
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
        if not self.per_period:
            check_not_dated(f"Files({self.written_path!r})", self.written_path, "Write {period:%Y-%m-%d} instead.")
