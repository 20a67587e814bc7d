"""Means over a few steps, so that the event log stays small and readable."""

from __future__ import annotations

import time
from collections.abc import Mapping


class StepAverage:
    """Collects the values of ``interval`` steps and hands back their means.

    Args:
        interval: Steps per logged line.
    """

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self._values: dict[str, list[float]] = {}
        self._steps = 0
        self._timed_steps, self._started = 0, time.perf_counter()

    def add(self, values: Mapping[str, float]) -> dict[str, float] | None:
        """Add one step; return the means (and ``seconds_per_step``) when the interval is full, else None.

        A value that occurs in some steps only is averaged over those.
        """
        for name, value in values.items():
            self._values.setdefault(name, []).append(value)
        self._steps += 1
        self._timed_steps += 1
        if self._steps < self.interval:
            return None
        means = {name: sum(found) / len(found) for name, found in self._values.items()}
        means["seconds_per_step"] = (time.perf_counter() - self._started) / self._timed_steps
        self._values, self._steps = {}, 0
        self._timed_steps, self._started = 0, time.perf_counter()
        return means

    def state(self) -> dict[str, list[float]]:
        """Return the values of the interval that is not full yet."""
        return {name: list(found) for name, found in self._values.items()}

    def load_state(self, values: Mapping[str, list[float]]) -> None:
        """Go on with the interval of an interrupted run; ``loss/total`` occurs in every step."""
        self._values = {name: list(found) for name, found in values.items()}
        self._steps = max((len(found) for found in self._values.values()), default=0)
