"""What a benchmark found: figures, ratios with both their sides, and the machine."""

from __future__ import annotations

from collections.abc import Sequence

from VQSegLib.benchmarks.machine import Machine
from VQSegLib.documents import Document


class Figure(Document):
    """One measured quantity.

    Attributes:
        name: What was measured.
        unit: "s", "GiB", "%" or "" for a count.
        values: One per repetition, in the order they were measured.
        best: The smallest time or memory, the largest share: other work on the machine only makes figures worse.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    best: float

    @classmethod
    def of(cls, name: str, values: Sequence[float], unit: str = "s", *, largest_is_best: bool = False) -> Figure:
        """Return the figure of repeated measurements."""
        best = max(values) if largest_is_best else min(values)
        return cls(name=name, unit=unit, values=tuple(values), best=best)

    def __str__(self) -> str:
        """One line for people."""
        shown = f"{self.name:<66} {_show(self.best, self.unit)}"
        if len(self.values) == 1:
            return shown
        return f"{shown}  (best of {', '.join(f'{value:.3g}' for value in self.values)})"


class Ratio(Document):
    """Two figures of one run divided by each other.

    Attributes:
        name: What it says.
        numerator: One side.
        denominator: The other side.
        goal: What was to be reached, in words; empty if nothing was.
        is_reached: Whether it was; None without a goal.
    """

    name: str
    numerator: Figure
    denominator: Figure
    goal: str = ""
    is_reached: bool | None = None

    @property
    def value(self) -> float:
        """The ratio."""
        return self.numerator.best / self.denominator.best

    @classmethod
    def at_least(cls, name: str, numerator: Figure, denominator: Figure, goal: float) -> Ratio:
        """Return a ratio that should not be below ``goal``."""
        reached = numerator.best >= goal * denominator.best
        return cls(
            name=name, numerator=numerator, denominator=denominator, goal=f"at least {goal:g}", is_reached=reached
        )

    @classmethod
    def below(cls, name: str, numerator: Figure, denominator: Figure, goal: float) -> Ratio:
        """Return a ratio that should be below ``goal``."""
        reached = numerator.best < goal * denominator.best
        return cls(name=name, numerator=numerator, denominator=denominator, goal=f"below {goal:g}", is_reached=reached)

    def __str__(self) -> str:
        """One line for people."""
        sides = (
            f"{_show(self.numerator.best, self.numerator.unit)} / {_show(self.denominator.best, self.denominator.unit)}"
        )
        return f"{self.name:<66} {sides} = {self.value:.3g}{_show_goal(self.goal, self.is_reached)}"


class Bound(Document):
    """A figure with a limit.

    Attributes:
        figure: What was measured.
        goal: What was to be reached, in words.
        is_reached: Whether it was.
    """

    figure: Figure
    goal: str
    is_reached: bool

    @classmethod
    def below(cls, figure: Figure, goal: float) -> Bound:
        """Return a figure that should be below ``goal``."""
        return cls(figure=figure, goal=f"below {goal:g} {figure.unit}".rstrip(), is_reached=figure.best < goal)

    @classmethod
    def at_least(cls, figure: Figure, goal: float) -> Bound:
        """Return a figure that should not be below ``goal``."""
        return cls(figure=figure, goal=f"at least {goal:g} {figure.unit}".rstrip(), is_reached=figure.best >= goal)

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.figure}{_show_goal(self.goal, self.is_reached)}"


Line = str | Figure | Ratio | Bound


class Report(Document):
    """Everything one benchmark found.

    Attributes:
        benchmark: Its name.
        command: Command line that repeats it.
        machine: Where it ran.
        lines: Headings, figures, ratios and bounds in the order they are to be read.
        notes: Sentences about what was left out or did not go as planned.
    """

    benchmark: str
    command: str
    machine: Machine
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Text for people."""
        heading = f"{self.command}\n{self.machine}\n"
        lines = (f"\n{line}" if isinstance(line, str) else str(line) for line in self.lines)
        return "\n".join([heading, *lines, *self.notes])


def _show(value: float, unit: str) -> str:
    return f"{value:.4g} {unit}".rstrip()


def _show_goal(goal: str, is_reached: bool | None) -> str:
    if is_reached is None:
        return ""
    return f"  (goal {goal}: {'reached' if is_reached else 'NOT reached'})"
