"""What a benchmark leaves behind, as documents; infinite and missing numbers are written as strings."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from VQSegLib.documents import Document

Variant = Literal["plain", "largest_component"]
"""The prediction as it is, or with only the largest connected part of each label, as some papers report it."""
VARIANTS: tuple[Variant, ...] = ("plain", "largest_component")
METRICS = ("dice", "jaccard", "hd95", "asd")
HIGHER_IS_BETTER = {"dice": True, "jaccard": True, "hd95": False, "asd": False}


class _Result(Document):
    model_config = ConfigDict(ser_json_inf_nan="strings")


class CaseScore(_Result):
    """One test case; distances of a structure that only one of the two maps shows are the grid's diagonal."""

    case_id: str
    missed: int = Field(description="Structures (times slices) that only one of prediction and reference shows.")
    scores: dict[str, float] = Field(description="By metric: mean over structures, and over slices scored in 2-D.")


class RunResult(_Result):
    """One finished run."""

    row: str
    budget: str
    labeled: int
    seed: int
    steps: int
    best_step: int = 0
    validation_dice: float | None = None
    parameters: int = Field(default=0, description="Of the network that is shipped.")
    trained_parameters: int = Field(default=0, description="With everything the method trains beside it.")
    seconds_per_step: float = 0
    peak_memory_mb: float = Field(
        default=0, description="During training: CUDA memory where there is some, else growth of the process."
    )
    failure: str | None = Field(default=None, description="Sentence; null: the run was finished and scored.")
    cases: dict[Variant, tuple[CaseScore, ...]] = Field(default_factory=dict)


class Figure(_Result):
    """One cell of the table."""

    mean: float = Field(description="Mean over seeds of the mean over test cases.")
    sd: float | None = Field(description="Standard deviation over seeds (n - 1); null with one seed.")
    rank: int | None = Field(description="1: best; null: an upper bound, or failed.")
    p_against_best: float | None = Field(
        description="Two-sided Wilcoxon signed-rank test over test cases (means over seeds) against the best row."
    )


class TableRow(_Result):
    """One row of the table."""

    name: str
    all_labels: bool
    labeled: int
    seeds: tuple[int, ...]
    figures: dict[str, Figure] = Field(description="By metric; empty where every seed failed.")
    missed: float = Field(description="Mean over seeds of the structures that only one map shows.")
    parameters: int
    trained_parameters: int
    seconds_per_step: float
    peak_memory_mb: float
    steps: int
    failures: tuple[str, ...] = ()


class BudgetTable(_Result):
    """The table of one labeled part and one way to look at predictions."""

    budget: str
    variant: Variant
    rows: tuple[TableRow, ...]


class BenchmarkResult(_Result):
    """All tables of a benchmark."""

    data: str
    unit: str
    test_cases: int
    note: str
    selection: str
    done: int
    planned: int
    tables: tuple[BudgetTable, ...]
