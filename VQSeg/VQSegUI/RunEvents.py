"""What a training run has told so far, as curves over its steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence

MEAN_DICE = "dice"
LOSS_PREFIX, COMMITMENT = "loss/", "vq/commitment"


@dataclass
class Curves:
    """Values over steps; a value that was not finite or not told is NaN.

    Attributes:
        steps: Training steps done.
        values: One list per curve, as long as ``steps``; keys are the engine's names, or those of the structures.
    """

    steps: List[int] = field(default_factory=list)
    values: Dict[str, List[float]] = field(default_factory=dict)

    def add(self, step: int, values: Dict[str, Any]) -> None:
        """Append a step; curves that it does not mention get a gap."""
        for name in values:
            self.values.setdefault(name, [math.nan] * len(self.steps))
        self.steps.append(step)
        for name, known in self.values.items():
            value = values.get(name)
            known.append(math.nan if value is None else float(value))

    def last(self, name: str) -> Optional[float]:
        """Return the last value that a curve has, None when there is none."""
        return next((value for value in reversed(self.values.get(name, [])) if not math.isnan(value)), None)


class RunEvents:
    """The events of one run, in the order of their numbers.

    Attributes:
        next: Number of the event to ask for next.
    """

    def __init__(self) -> None:
        self.next = 0
        self._events: List[Dict[str, Any]] = []

    def take(self, first: int, events: Sequence[Dict[str, Any]]) -> bool:
        """Add events from number ``first`` on; what was known from there on is dropped.

        A run that was interrupted repeats its last steps, and then ``first`` is smaller than what was asked for.

        Returns:
            Whether anything is different now.
        """
        isChanged = bool(events) or first < len(self._events)
        self._events = [*self._events[:first], *events]
        self.next = len(self._events)
        return isChanged

    def losses(self) -> Curves:
        """Return the losses."""
        curves = Curves()
        for event in self._of("step"):
            names = [name for name in event if name.startswith(LOSS_PREFIX) or name == COMMITMENT]
            curves.add(event["step"], {name: event[name] for name in names})
        return curves

    def dice(self) -> Curves:
        """Return the validation Dice: the mean as `MEAN_DICE`, the structures by their names."""
        curves = Curves()
        for event in self._of("validation"):
            perLabel = event.get("dice_per_label") or {}
            curves.add(event["step"], {MEAN_DICE: event.get("dice"), **perLabel})
        return curves

    def _of(self, kind: str) -> List[Dict[str, Any]]:
        return [event for event in self._events if event.get("event") == kind]
