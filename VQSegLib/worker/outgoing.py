"""Messages on their way out: written by a thread of their own, so that nothing waits for a slow reader."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable

from VQSegLib.wire import FAULT, Failure, Message, Result, WireError, encode
from VQSegLib.worker.streams import write_all


class Outgoing:
    """Sends messages in the order they are given."""

    def __init__(self, fd: int, on_broken: Callable[[], None]) -> None:
        """Start the thread.

        Args:
            fd: Where to write.
            on_broken: Called when nobody reads any more.
        """
        self._fd, self._on_broken = fd, on_broken
        self._waiting: queue.SimpleQueue[list[memoryview] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="outgoing", daemon=True)
        self._thread.start()

    @property
    def is_idle(self) -> bool:
        """Whether everything was taken by the system."""
        return self._waiting.empty()

    def send(self, message: Message) -> None:
        """Queue a message; an answer that cannot be sent becomes a failure."""
        try:
            buffers = encode(message)
        except WireError as error:
            if not isinstance(message, Result):
                raise
            sentence = "VQSeg failed through a fault of its own: its answer could not be sent."
            buffers = encode(Failure(message.id, FAULT, sentence, str(error)))
        self._waiting.put(buffers)

    def close(self, timeout_seconds: float) -> None:
        """Wait until everything is written, at most that long."""
        self._waiting.put(None)
        self._thread.join(timeout_seconds)

    def _write(self) -> None:
        while (buffers := self._waiting.get()) is not None:
            try:
                for buffer in buffers:
                    write_all(self._fd, buffer)
            except OSError:
                self._on_broken()
                return
        os.close(self._fd)
