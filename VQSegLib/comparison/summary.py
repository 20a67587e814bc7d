"""From the scores of single runs to tables with means, ranks and tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from VQSegLib.comparison.plan import ALL_LABELS, BenchmarkPlan, Run
from VQSegLib.comparison.results import (
    HIGHER_IS_BETTER,
    METRICS,
    VARIANTS,
    BudgetTable,
    Figure,
    RunResult,
    TableRow,
    Variant,
)
from VQSegLib.comparison.rows import Row
from VQSegLib.volume import Array

Results = Sequence[tuple[Run, RunResult]]


def build_tables(plan: BenchmarkPlan, results: Results) -> tuple[BudgetTable, ...]:
    """Return a table per labeled part and variant, from the results there are."""
    return tuple(
        BudgetTable(budget=budget, variant=variant, rows=_build_rows(plan, results, budget, variant))
        for variant in VARIANTS
        for budget in plan.budgets
    )


def _build_rows(plan: BenchmarkPlan, results: Results, budget: str, variant: Variant) -> tuple[TableRow, ...]:
    found = {
        row.name: [
            result
            for run, result in results
            if run.row == row and run.budget == (ALL_LABELS if row.all_labels else budget)
        ]
        for row in plan.rows
    }
    scored = {name: [r for r in of_row if r.failure is None] for name, of_row in found.items()}
    figures = _compute_figures(plan.rows, scored, variant)
    return tuple(_build_row(row, found[row.name], figures[row.name], variant) for row in plan.rows if found[row.name])


def _build_row(row: Row, runs: Sequence[RunResult], figures: dict[str, Figure], variant: Variant) -> TableRow:
    scored = [run for run in runs if run.failure is None]
    missed = [sum(case.missed for case in run.cases[variant]) for run in scored]
    return TableRow(
        name=row.name,
        all_labels=row.all_labels,
        labeled=runs[0].labeled,
        seeds=tuple(run.seed for run in scored),
        figures=figures,
        missed=float(np.mean(missed)) if missed else 0.0,
        parameters=max((run.parameters for run in scored), default=0),
        trained_parameters=max((run.trained_parameters for run in scored), default=0),
        seconds_per_step=float(np.median([run.seconds_per_step for run in scored])) if scored else 0.0,
        peak_memory_mb=max((run.peak_memory_mb for run in scored), default=0.0),
        steps=max(run.steps for run in runs),
        failures=tuple(f"seed {run.seed}: {run.failure}" for run in runs if run.failure),
    )


def _compute_figures(
    rows: Sequence[Row], scored: dict[str, list[RunResult]], variant: Variant
) -> dict[str, dict[str, Figure]]:
    """Return the cells of every row that has a scored run."""
    figures: dict[str, dict[str, Figure]] = {row.name: {} for row in rows}
    for metric in METRICS:
        # seeds x cases
        values = {
            name: np.array([[case.scores[metric] for case in run.cases[variant]] for run in runs])
            for name, runs in scored.items()
            if runs
        }
        seed_means = {name: np.nanmean(found, axis=1) for name, found in values.items()}
        ranked = sorted(
            (row.name for row in rows if row.name in values and not row.all_labels),
            key=lambda name: float(np.mean(seed_means[name])) * (-1 if HIGHER_IS_BETTER[metric] else 1),
        )
        for name, means in seed_means.items():
            figures[name][metric] = Figure(
                mean=float(np.mean(means)),
                sd=float(np.std(means, ddof=1)) if len(means) > 1 else None,
                rank=ranked.index(name) + 1 if name in ranked else None,
                p_against_best=compare(values[ranked[0]], values[name]) if name in ranked[1:] else None,
            )
    return figures


def compare(first: Array, second: Array) -> float | None:
    """Return the p of a two-sided Wilcoxon signed-rank test over cases.

    Args:
        first: ``(seeds, cases)`` scores of one row; a case is compared by its mean over seeds.
        second: The same cases of another row.

    Returns:
        None where fewer than two cases differ.
    """
    # A case that shows no structure at all has no score.
    scored = ~(np.isnan(first).any(axis=0) | np.isnan(second).any(axis=0))
    difference = first[:, scored].mean(axis=0) - second[:, scored].mean(axis=0)
    if np.count_nonzero(difference) < 2:
        return None
    return float(stats.wilcoxon(difference).pvalue)
