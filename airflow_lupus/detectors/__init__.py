"""The detectors. A new one is a new file here and a name in `DETECTORS`."""

from __future__ import annotations

from typing import Any

from airflow_lupus.detectors.base import Detector
from airflow_lupus.detectors.threshold import Threshold
from airflow_lupus.detectors.window import Window
from airflow_lupus.exceptions import SpecError, did_you_mean

DETECTORS: tuple[type[Detector], ...] = (Threshold, Window)

__all__ = ["DETECTORS", "Detector", "Threshold", "Window", "as_detector"]


def as_detector(given: Any, where: str = "detectors") -> Detector:
    """A detector from one, or from the name of one that needs no parameters.

    >>> as_detector("window").name
    'window'
    """
    if isinstance(given, Detector):
        return given
    names = {detector.name: detector for detector in DETECTORS}
    if not isinstance(given, str):
        msg = f"{where}: {given!r} is not a detector; write for example Window() from airflow_lupus.detectors"
        raise SpecError(msg)
    if given.lower() not in names:
        msg = f"{where}: unknown detector {given!r}: {did_you_mean(given, names)}"
        raise SpecError(msg)
    return names[given.lower()]()
