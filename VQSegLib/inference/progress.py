"""Tell how far the work is, and stop it when the user asks."""

from __future__ import annotations

import time
from collections.abc import Callable

from VQSegLib.errors import Cancelled

OnProgress = Callable[[float, str, float | None], None]
"""Called with the fraction done (0..1), the stage in words, and the seconds left (None while unknown)."""


class Progress:
    """Calls back after each piece of work; times the stages."""

    def __init__(self, on_progress: OnProgress | None, cancelled: Callable[[], bool] | None) -> None:
        """Start the clock.

        Args:
            on_progress: Receives fraction, stage and seconds left.
            cancelled: Asked after each piece of work whether to stop.
        """
        self._on_progress = on_progress
        self._cancelled = cancelled
        self._stage = ""
        self._stage_began = time.monotonic()
        self._fraction = 0.0
        self.seconds_by_stage: dict[str, float] = {}

    def start_stage(self, stage: str, fraction: float) -> None:
        """Begin a stage; its time up to the next one is kept in ``seconds_by_stage``."""
        self.end_stage()
        self._stage = stage
        self._report(fraction, None)

    def end_stage(self) -> None:
        """Stop the clock of the stage."""
        now = time.monotonic()
        if self._stage:
            self.seconds_by_stage[self._stage] = self.seconds_by_stage.get(self._stage, 0.0) + now - self._stage_began
        self._stage, self._stage_began = "", now

    def advance(self, done: float, first: float, last: float) -> None:
        """Report a share ``done`` (0..1) of a stage that spans the fractions ``first`` to ``last``.

        Raises:
            Cancelled: If the user asked to stop.
        """
        elapsed = time.monotonic() - self._stage_began
        self._report(first + done * (last - first), elapsed * (1.0 - done) / done if done > 0 else None)

    def touch(self) -> None:
        """Give signs of life and the user a chance to stop, within a piece of work.

        Raises:
            Cancelled: If the user asked to stop.
        """
        self._report(self._fraction, None)

    def _report(self, fraction: float, seconds_left: float | None) -> None:
        self._fraction = fraction
        if self._cancelled is not None and self._cancelled():
            msg = "Stopped as asked; nothing was written."
            raise Cancelled(msg)
        if self._on_progress is not None:
            self._on_progress(fraction, self._stage, seconds_left)
