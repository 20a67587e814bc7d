"""What a run may see of a data set."""

from __future__ import annotations

from pathlib import Path

import pytest

from VQSegLib.comparison.data import LabelBudget
from VQSegLib.comparison.opening import open_data
from VQSegLib.errors import ConfigError
from VQSegLib.training.splits import select_cases


def test_a_budget_shows_the_first_labels_and_no_test_case(lidc: Path) -> None:
    data = open_data(lidc)
    seen = LabelBudget(data, 3)
    cases = select_cases(seen, uses_unlabeled=True)
    assert (len(cases.labeled), len(cases.unlabeled), len(cases.validation)) == (3, 11, 2)
    assert {r.case_id for r in cases.labeled} == {r.case_id for r in data.train[:3]}
    assert {r.case_id for r in seen.cases()}.isdisjoint(r.case_id for r in data.test)
    assert select_cases(LabelBudget(data, 3, validate=False), uses_unlabeled=True).validation == ()


def test_a_larger_budget_holds_the_smaller_one(lidc: Path) -> None:
    data = open_data(lidc)
    small, large = (
        {r.case_id for r in select_cases(LabelBudget(data, count), uses_unlabeled=False).labeled} for count in (2, 5)
    )
    assert small < large


@pytest.mark.parametrize(("budget", "count"), [("5%", 1), ("50%", 7), ("100%", 14), ("8", 8), (" 1% ", 1)])
def test_shares_and_numbers_of_cases(budget: str, count: int, lidc: Path) -> None:
    assert open_data(lidc).count_labeled(budget) == count


@pytest.mark.parametrize("budget", ["0", "15", "-1", "0%", "101%", "some", "5.5", ""])
def test_impossible_budgets_are_refused(budget: str, lidc: Path) -> None:
    with pytest.raises(ConfigError, match="from 1 to 14"):
        open_data(lidc).count_labeled(budget)
