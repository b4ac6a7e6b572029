"""A network that fails: a relay between a task and its database server that can be cut."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import sqlalchemy as sa


class Proxy:
    """Relays a server's Unix socket; `url` leads through it.

    >>> with Proxy(url) as proxy:  # doctest: +SKIP
    ...     SqlStore.at(proxy.url)
    ...     proxy.cut()
    """

    def __init__(self, url: sa.URL) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lupus-net-")
        if url.get_backend_name() == "postgresql":
            name = f".s.PGSQL.{url.port or 5432}"
            self._target = str(Path(str(url.query["host"])) / name)
            self.url = url.update_query_dict({"host": self._folder.name})
        else:
            name = "socket"
            self._target = str(url.query["unix_socket"])
            self.url = url.update_query_dict({"unix_socket": str(Path(self._folder.name) / name)})
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(Path(self._folder.name) / name))
        self._listener.listen()
        self._open: list[socket.socket] = []
        self._last_words: bytes | None = None
        self.was_cut = Event()
        Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._listener.close()
        self._folder.cleanup()

    def cut(self, *, for_good: bool = False) -> None:
        """Drop every connection that is open now; new ones get through, unless it is for good."""
        self.was_cut.set()
        if for_good:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for end in self._open:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:  # was gone already
                continue
        self._open.clear()

    def cut_after(self, words: bytes) -> None:
        """Drop the connections once the server has got these words and answered: the answer is lost."""
        self._last_words = words

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._target)
            self._open += [client, server]
            said = Event()
            Thread(target=self._relay, args=(client, server, said, False), daemon=True).start()
            Thread(target=self._relay, args=(server, client, said, True), daemon=True).start()

    def _relay(self, source: socket.socket, target: socket.socket, said: Event, answers: bool) -> None:
        try:
            while data := source.recv(1 << 16):
                if answers and said.is_set():
                    self._last_words = None
                    self.cut()
                    return
                if not answers and self._last_words is not None and self._last_words in data:
                    said.set()
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
