"""Frames: what a function makes of some periods, or what an upstream task returned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_lupus.exceptions import DataMissing, LupusError, SourceError
from airflow_lupus.pipeline.frames import frame_batches
from airflow_lupus.pipeline.measuring import Opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.model import Period
    from airflow_lupus.sources import Frame
    from airflow_lupus.specs import MeasureSpec


def open_frame(source: Frame, periods: Sequence[Period], spec: MeasureSpec) -> Opened:
    """Take the frame, or call the function that makes it, once; one that makes streams is called again for each chunk of periods."""
    function = None if source.from_upstream or not callable(source.frame) else source.frame

    def called(asked: Sequence[Period]) -> Any:
        start, end = min(period.start for period in asked), max(period.end for period in asked)
        try:
            return function(spec.grain.local(start), spec.grain.local(end)) if function else None
        except LupusError:
            raise
        except Exception as error:
            msg = f"{source!r} raised {type(error).__name__}: {error}"
            raise SourceError(msg) from error

    def again(asked: Sequence[Period]) -> Any:
        try:
            return called(asked)
        except DataMissing:  # of some of the periods that the first call had something for
            return None

    try:
        frame = called(periods) if function else source.upstream if source.from_upstream else source.frame
    except DataMissing as error:
        return Opened(None, dict.fromkeys(periods, str(error)))
    if frame is None:
        reason = "the upstream task returned nothing" if source.from_upstream else f"{source!r} has no frame for these periods"
        return Opened(None, dict.fromkeys(periods, reason))
    return Opened(frame_batches(repr(source), frame, spec, again if function else None, periods))
