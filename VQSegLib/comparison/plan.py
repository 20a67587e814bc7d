"""Which runs a benchmark consists of, and the configuration of each."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from VQSegLib.comparison.data import BenchmarkData
from VQSegLib.comparison.rows import Row
from VQSegLib.errors import ConfigError

if TYPE_CHECKING:
    from VQSegLib.training.config import TrainingConfig

ALL_LABELS = "100%"
_VALIDATIONS = 10
_VALIDATION_STEPS = 200
"""At least so many steps between validations, which cost more than a step."""
_OWN = ("method", "max_steps", "seed", "validation_interval", "name")
"""What the plan itself decides."""
_COMMON: dict[str, Any] = {
    # The optimizer of the compared papers, the same for every row but nnU-Net's recipe.
    "optimizer": {"kind": "sgd", "learning_rate": 0.01, "momentum": 0.9, "weight_decay": 1e-4, "warmup_steps": 0},
    "data": {"workers": 0},
}
_RECIPE = ("method", "optimizer", "augmentation")
"""What is taken of a preset: network, patches and batches are the benchmark's."""


@dataclass(frozen=True)
class Run:
    """One training and its test.

    Attributes:
        row: What is trained.
        budget: Labeled part as it was asked for, part of the folder's name.
        labeled: Number of labeled training cases.
        seed: Of weights and batches; the labeled cases do not depend on it.
    """

    row: Row
    budget: str
    labeled: int
    seed: int

    @property
    def folder_name(self) -> str:
        """Folder of the run below ``runs``."""
        return f"{self.row.folder_name}/{self.budget.replace('%', '-percent')}-seed-{self.seed}"

    @property
    def title(self) -> str:
        """The run in words."""
        return f"{self.row.name}, {self.budget} labeled, seed {self.seed}"


@dataclass(frozen=True)
class BenchmarkPlan:
    """What is compared.

    Attributes:
        rows: Rows of the table.
        budgets: Labeled parts, such as ``5%`` or ``8``; one table each.
        seeds: Seeds of every row.
        steps: Training steps of every run; None where ``minutes`` is given.
        minutes: Training time of every run, from which its steps follow.
        select_last: Keep the last weights, although there are validation cases.
        values: Part of a training configuration, for all rows.
        settings: Single values, for all rows.
    """

    rows: tuple[Row, ...]
    budgets: tuple[str, ...]
    seeds: tuple[int, ...]
    steps: int | None = None
    minutes: float | None = None
    select_last: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)
    settings: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Refuse plans that contradict themselves.

        Raises:
            ConfigError: In one sentence.
        """
        if (self.steps is None) == (self.minutes is None):
            msg = "Say how long every run trains: --steps or --minutes, not both."
            raise ConfigError(msg)
        given = self.steps if self.minutes is None else self.minutes
        if given is None or given <= 0:
            msg = f"A run needs at least 1 step, or more than 0 minutes; given {given}."
            raise ConfigError(msg)
        taken = [name for name in _OWN if name in self.values]
        if taken:
            msg = (
                f"The configuration of a benchmark must leave '{taken[0]}' to the benchmark; "
                "settings of one method go into a file for --rows."
            )
            raise ConfigError(msg)

    def runs(self, data: BenchmarkData) -> Iterator[Run]:
        """Yield all runs, seed by seed, so that a first table is complete early.

        Raises:
            ConfigError: A labeled part is none.
        """
        counts = {budget: data.count_labeled(budget) for budget in self.budgets}
        for seed in self.seeds:
            for row in self.rows:
                if row.all_labels:
                    yield Run(row, ALL_LABELS, len(data.train), seed)
                    continue
                for budget, labeled in counts.items():
                    yield Run(row, budget, labeled, seed)

    def build_config(self, run: Run, data: BenchmarkData, steps: int) -> TrainingConfig:
        """Return the configuration of a run: common values, the data's, the method's recipe, then the user's.

        Raises:
            ConfigError: A value is not valid.
        """
        from VQSegLib.training.config_values import complete, set_method, set_value

        recipe: dict[str, Any] = {}
        set_method(recipe, run.row.method)
        values = _merge(_COMMON, data.defaults)
        values = _merge(values, {name: part for name, part in recipe.items() if name in _RECIPE})
        values = _merge(values, self.values)
        for setting in (*self.settings, *run.row.settings):
            set_value(values, setting)
        values |= {"name": run.title, "max_steps": steps, "seed": run.seed}
        values["validation_interval"] = min(steps, max(_VALIDATION_STEPS, steps // _VALIDATIONS))
        values["log_interval"] = max(1, min(50, steps // 5))
        return complete(values, data.source.labels.num_classes, data.window)


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON values in which ``over`` wins, section by section."""
    merged = copy.deepcopy(dict(under))
    for name, value in over.items():
        below = merged.get(name)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[name] = _merge(below, value)
        else:
            merged[name] = copy.deepcopy(value)
    return merged
