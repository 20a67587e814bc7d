"""Means, ranks and tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from VQSegLib.comparison.plan import BenchmarkPlan, Run
from VQSegLib.comparison.results import RunResult
from VQSegLib.comparison.rows import Row
from VQSegLib.comparison.summary import build_tables, compare

MakeResult = Callable[..., RunResult]
FULL, GOOD, POOR = (
    Row(name="Full", method="supervised", all_labels=True),
    Row(name="Good", method="bcp"),
    Row(name="Poor", method="uamt"),
)
PLAN = BenchmarkPlan(rows=(FULL, GOOD, POOR), budgets=("5%",), seeds=(0, 1), steps=5)


def build(make_result: MakeResult, poor: dict[str, object] | None = None) -> tuple[tuple[Run, RunResult], ...]:
    dice = {"Full": (0.9, 0.9), "Good": (0.8, 0.6), "Poor": (0.5, 0.4)}
    found = []
    for row in PLAN.rows:
        for seed, mean in enumerate(dice[row.name]):
            budget = "100%" if row.all_labels else "5%"
            cases = [mean - 0.1, mean, mean + 0.1]
            fields = (poor or {}) if row is POOR else {}
            found.append((Run(row, budget, 1, seed), make_result(row.name, cases, seed, budget, **fields)))
    return tuple(found)


def test_figures_by_hand(make_result: MakeResult) -> None:
    plain, largest = build_tables(PLAN, build(make_result))
    assert (plain.variant, largest.variant, plain.budget) == ("plain", "largest_component", "5%")
    full, good, poor = plain.rows
    assert good.figures["dice"].mean == pytest.approx(0.7)
    assert good.figures["dice"].sd == pytest.approx(np.std([0.8, 0.6], ddof=1))
    assert good.figures["hd95"].mean == pytest.approx(10 - 7)
    assert [row.figures["dice"].rank for row in plain.rows] == [None, 1, 2]
    assert [row.figures["asd"].rank for row in plain.rows] == [None, 1, 2], "a small distance is good"
    assert poor.figures["dice"].p_against_best == pytest.approx(stats.wilcoxon([0.25] * 3).pvalue)
    assert full.figures["dice"].p_against_best is None
    assert good.figures["dice"].p_against_best is None
    assert good.seeds == (0, 1)


def test_the_smallest_distance_wins_even_if_its_dice_is_not_the_best(make_result: MakeResult) -> None:
    results = list(build(make_result))
    run, result = results[-1]
    near = [case.model_copy(update={"scores": {**case.scores, "hd95": 0.0}}) for case in result.cases["plain"]]
    results[-1] = (run, result.model_copy(update={"cases": {**result.cases, "plain": tuple(near)}}))
    rows = build_tables(PLAN, results)[0].rows
    assert [row.figures["hd95"].rank for row in rows] == [None, 2, 1]


def test_a_failed_seed_is_told_and_left_out(make_result: MakeResult) -> None:
    results = list(build(make_result))
    run, result = results[-1]
    results[-1] = (run, result.model_copy(update={"failure": "Training diverged", "cases": {}}))
    row = build_tables(PLAN, results)[0].rows[2]
    assert row.seeds == (0,)
    assert row.failures == ("seed 1: Training diverged",)
    assert row.figures["dice"].sd is None


def test_a_row_of_failures_has_no_figures(make_result: MakeResult) -> None:
    rows = build_tables(PLAN, build(make_result, {"failure": "no", "cases": {}}))[0].rows
    assert rows[2].figures == {}
    assert rows[1].figures["dice"].rank == 1


def test_unfinished_rows_are_left_out(make_result: MakeResult) -> None:
    rows = build_tables(PLAN, build(make_result)[:3])[0].rows
    assert [(row.name, len(row.seeds)) for row in rows] == [("Full", 2), ("Good", 1)]


def test_cases_are_compared_by_their_mean_over_seeds() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.7, 0.05, (3, 30)), rng.normal(0.6, 0.05, (2, 30))
    expected = stats.wilcoxon(first.mean(0) - second.mean(0)).pvalue
    assert compare(first, second) == pytest.approx(expected)
    assert compare(first, first) is None
    undefined = np.where(np.arange(30) == 4, np.nan, second)
    assert compare(first, undefined) == pytest.approx(
        stats.wilcoxon(np.delete(first.mean(0) - second.mean(0), 4)).pvalue
    )
