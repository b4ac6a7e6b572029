"""Handing digests to callbacks after they were committed, each to each destination at most once."""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING, Any

from airflow_lupus.exceptions import NotConfigured
from airflow_lupus.model import digest as digest_of
from airflow_lupus.pipeline.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow.sdk.definitions.context import Context

    from airflow_lupus.model import TaskRef
    from airflow_lupus.stores.base import Store

log = logging.getLogger(__name__)

Callback = Any
"""An Airflow notifier, or a function of the context."""


def listed(callbacks: Callback | Sequence[Callback] | None) -> list[Callback]:
    """One callback, several, or none, as a list."""
    return [callbacks] if callable(callbacks) else list(callbacks or ())


def destinations(callbacks: Sequence[Callback]) -> dict[str, Callback]:
    """Callbacks by an id that is the same in every run: class and arguments, or the function's name."""
    named: dict[str, Callback] = {}
    for callback in callbacks:
        identity = [_path(callback), _arguments(callback)]
        key, twin = digest_of(identity), 1
        while key in named:
            twin += 1
            key = digest_of([*identity, twin])
        named[key] = callback
    return named


def call(callback: Callback, context: Context, digest: Digest) -> None:
    """Run one callback with the digest in its context.

    A notifier is copied, since rendering its templates cannot be undone, and its `notify` is called directly: calling the notifier
    itself would swallow a failure.
    """
    from airflow.sdk import BaseNotifier
    from airflow.sdk.definitions.context import Context as AirflowContext

    own: Any = AirflowContext(**{**context, "digest": digest, "anomalies": digest.anomalies})  # type: ignore[typeddict-unknown-key]
    if not isinstance(callback, BaseNotifier):
        callback(own)
        return
    notifier = copy.copy(callback)
    notifier._update_context(own)
    notifier.render_template_fields(own)
    notifier.notify(own)


def deliver(store: Store, dataset: str, task: TaskRef, callbacks: Mapping[str, Callback], context: Context) -> list[str]:
    """Deliver what is due to these destinations; what could not be delivered, in words. A failure stays due for the next detect."""
    if not callbacks:
        return []
    failures = []
    for delivery in store.due(dataset, task, list(callbacks)):
        if not store.claim(delivery.id):
            continue
        callback = callbacks[delivery.destination]
        name = _path(callback)
        try:
            call(callback, context, Digest.from_json(delivery.digest))
        except NotConfigured as error:
            store.settle(delivery.id, "logged", str(error))
        except Exception as error:
            store.settle(delivery.id, "failed", f"{type(error).__name__}: {error}")
            log.error("%s failed, and is tried again by the next detect: %s", name, error)
            failures.append(f"{name}: {error}")
        else:
            store.settle(delivery.id, "sent")
            log.info("Told %s of %s", name, Digest.from_json(delivery.digest).title)
    return failures


def call_all(callbacks: Sequence[Callable[..., Any]], context: Context, digest: Digest) -> None:
    """Tell every callback at once, without the outbox: for a sensor's time-out, or when the store itself is the trouble."""
    for callback in callbacks:
        try:
            call(callback, context, digest)
        except NotConfigured:
            continue  # it has put the message into the log
        except Exception as error:
            log.error("%s failed: %s", _path(callback), error)


def _path(callback: Callback) -> str:
    named = callback if hasattr(callback, "__qualname__") else type(callback)
    return f"{named.__module__}.{named.__qualname__}"


def _arguments(callback: Callback) -> dict[str, str]:
    return {name: str(getattr(callback, name, "")) for name in getattr(callback, "template_fields", ())}
