"""One request while it is being served."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from VQSegLib.errors import Cancelled
from VQSegLib.wire import CANCELLED, Failure, Message, Notification, Request, Result

_SHORTEST_INTERVAL_SECONDS = 0.1


class Job:
    """Tells how far a request is, and answers it exactly once.

    A cancelled request is answered at once, although the computation under way ends only at its next chance to stop;
    what it still says is not sent.
    """

    def __init__(self, request: Request, send: Callable[[Message], None]) -> None:
        """Take a request.

        Args:
            request: What was asked.
            send: Sends a message.
        """
        self.request = request
        self.when_cancelled = "Stopped as asked; nothing was changed."
        self._send = send
        self._lock = threading.Lock()
        self._is_answered = False
        self._is_cancelled = False
        self._is_last_step = False
        self._fraction, self._stage, self._seconds_left = 0.0, "", None  # type: tuple[float, str, float | None]
        self._told_at = self._sent_at = time.monotonic()

    @property
    def is_answered(self) -> bool:
        """Whether the answer is sent."""
        return self._is_answered

    def is_cancelled(self) -> bool:
        """Whether the work may stop."""
        return self._is_cancelled

    def cancel(self) -> None:
        """Answer that the request was stopped, and let the work know."""
        with self._lock:
            if self._is_last_step:
                return
            self._is_cancelled = True
        self.answer(Failure(self.request.id, CANCELLED, self.when_cancelled))

    def begin_last_step(self) -> None:
        """Say that what follows changes something and takes a moment: from now on the request cannot be stopped.

        Raises:
            Cancelled: It was stopped before.
        """
        with self._lock:
            if self._is_cancelled:
                raise Cancelled(self.when_cancelled)
            self._is_last_step = True

    def succeed(self, result: Any) -> None:
        """Answer with a result."""
        self.answer(Result(self.request.id, result))

    def answer(self, message: Result | Failure) -> None:
        """Send the answer unless there was one already."""
        with self._lock:
            if not self._is_answered:
                self._is_answered = True
                self._send(message)

    def report(self, fraction: float, stage: str, seconds_left: float | None = None) -> None:
        """Tell how far the work is; sent when it is news, but not more often than a person can see."""
        is_new_stage = stage != self._stage
        self._fraction, self._stage, self._seconds_left = fraction, stage, seconds_left
        self._told_at = time.monotonic()
        if is_new_stage or self._told_at - self._sent_at >= _SHORTEST_INTERVAL_SECONDS:
            self._send_progress()

    def repeat(self) -> None:
        """Send the last progress again, so that silence always means trouble."""
        self._send_progress()

    def _send_progress(self) -> None:
        now, left = time.monotonic(), self._seconds_left
        params = {
            "id": self.request.id,
            "fraction": min(1.0, max(0.0, float(self._fraction))),
            "stage": self._stage,
            "seconds_left": None if left is None else max(0.0, left - (now - self._told_at)),
        }
        with self._lock:
            if not self._is_answered:
                self._sent_at = now
                self._send(Notification("progress", params))
