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

    def extend(self, steps: Sequence[int], rows: Sequence[Dict[str, Any]]) -> None:
        """Append steps with what was told at each; curves that a row does not mention get a gap."""
        for name in dict.fromkeys(name for row in rows for name in row):
            self.values.setdefault(name, [math.nan] * len(self.steps))
        self.steps.extend(steps)
        for name, known in self.values.items():
            told = [row.get(name) for row in rows]
            known.extend(math.nan if value is None else float(value) for value in told)

    def last(self, name: str) -> Optional[float]:
        """Return the last value that a curve has, None when there is none."""
        return next((value for value in reversed(self.values.get(name, [])) if not math.isnan(value)), None)


class RunEvents:
    """The events of one run, in the order of their numbers, and their curves.

    Attributes:
        next: Number of the event to ask for next.
        losses: The losses.
        dice: The validation Dice: the mean as `MEAN_DICE`, the structures by their names.
    """

    def __init__(self) -> None:
        self.next = 0
        self.losses, self.dice = Curves(), Curves()
        self._events: List[Dict[str, Any]] = []

    def take(self, first: int, events: Sequence[Dict[str, Any]]) -> bool:
        """Add events from number ``first`` on; what was known from there on is dropped.

        A run that was interrupted repeats its last steps, and then ``first`` is smaller than what was asked for.

        Returns:
            Whether anything is different now.
        """
        isShorter = first < len(self._events)
        kept = self._events[:first]
        self._events = [*kept, *events]
        self.next = len(self._events)
        if isShorter:
            self.losses, self.dice = Curves(), Curves()
        self._draw(self._events if isShorter else events)
        return isShorter or bool(events)

    def _draw(self, events: Sequence[Dict[str, Any]]) -> None:
        steps = [event for event in events if event.get("event") == "step"]
        losses = [{name: each[name] for name in each if _isLoss(name)} for each in steps]
        self.losses.extend([each["step"] for each in steps], losses)
        judged = [event for event in events if event.get("event") == "validation"]
        dice = [{MEAN_DICE: each.get("dice"), **(each.get("dice_per_label") or {})} for each in judged]
        self.dice.extend([each["step"] for each in judged], dice)


def _isLoss(name: str) -> bool:
    return name.startswith(LOSS_PREFIX) or name == COMMITMENT
