"""Paired figures that can be checked by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from VQSegLib.evaluation.evaluate import evaluate_arrays
from VQSegLib.labels import LabelTable
from VQSegLib.project.folder import Project
from VQSegLib.project.review import Review
from VQSegLib.training.held_out_scores import HeldOutScore
from VQSegLib.training.model_comparison import bootstrap_interval, compare_scores

CUBE = np.zeros((6, 8, 8), dtype=np.uint8)


def draw(start: int, stop: int, value: int = 4) -> np.ndarray:
    """Return a label map with ``stop - start`` slices of 4 x 4 voxels."""
    array = CUBE.copy()
    array[start:stop, 2:6, 2:6] = value
    return array


def score(prediction: np.ndarray, reference: np.ndarray, table: LabelTable, patient: str) -> HeldOutScore:
    scores = evaluate_arrays(prediction, reference, (2.0, 1.0, 1.0), table)
    wrong = int((prediction != reference).sum())
    return HeldOutScore(case_id="case-1", patient_id=patient, scores=scores, wrong_voxels=wrong)


@pytest.fixture
def compare(fresh_project: Project, make_scan: Callable, sided_labels: LabelTable) -> Callable[..., Any]:
    def run(old: list[HeldOutScore], new: list[HeldOutScore]) -> Any:
        records = [fresh_project.add_case(*make_scan(seed), split="test") for seed in range(len(old))]
        return compare_scores(records, sided_labels, old, new, old_sha256="a" * 64, new_sha256="b" * 64)

    return run


def test_differences_are_paired_per_label_and_case(compare: Callable[..., Any], sided_labels: LabelTable) -> None:
    reference = draw(1, 5)
    old = [score(draw(1, 3), reference, sided_labels, p) for p in ("p1", "p2")]
    new = [score(draw(1, 5), reference, sided_labels, "p1"), score(draw(1, 4), reference, sided_labels, "p2")]
    found = compare(old, new)
    assert found.patients == 2
    gland, cord, _ = found.labels
    assert (gland.name, gland.cases, cord.cases, cord.dice.old) == ("Right gland", 2, 0, None)
    assert gland.dice.old == pytest.approx(2 / 3)
    assert gland.dice.new == pytest.approx((1 + 6 / 7) / 2)
    assert gland.dice.difference == pytest.approx(((1 - 2 / 3) + (6 / 7 - 2 / 3)) / 2)
    assert gland.dice.low == pytest.approx(6 / 7 - 2 / 3)
    assert gland.dice.high == pytest.approx(1 - 2 / 3)
    assert found.dice == gland.dice
    assert gland.hd95_mm.old == pytest.approx(4.0)
    assert [case.old_wrong_voxels for case in found.cases] == [32, 32]
    assert [case.new_wrong_voxels for case in found.cases] == [0, 16]


def test_a_structure_that_is_not_there_counts_against_whoever_draws_it(
    compare: Callable[..., Any], sided_labels: LabelTable
) -> None:
    reference = draw(1, 5)
    spurious = draw(1, 5)
    spurious[0, 0, 0] = 9
    found = compare([score(reference, reference, sided_labels, "p")], [score(spurious, reference, sided_labels, "p")])
    assert (found.dice.old, found.dice.new) == (1.0, 0.5)
    assert found.labels[1].dice.difference == -1
    assert found.dice.low is None


def test_missed_structures_are_counted_and_leave_distances_out(
    compare: Callable[..., Any], sided_labels: LabelTable
) -> None:
    reference = draw(1, 5)
    found = compare([score(reference, reference, sided_labels, "p")], [score(CUBE, reference, sided_labels, "p")])
    gland = found.labels[0]
    assert (gland.old_missed, gland.new_missed) == (0, 1)
    assert gland.dice.difference == -1
    assert gland.hd95_mm.old is None


def test_scans_of_one_patient_count_as_one(compare: Callable[..., Any], sided_labels: LabelTable) -> None:
    reference = draw(1, 5)
    old = [score(draw(1, 3), reference, sided_labels, p) for p in ("p1", "p1", "p2")]
    new = [score(draw(1, 5), reference, sided_labels, p) for p in ("p1", "p1")]
    new.append(score(draw(1, 3), reference, sided_labels, "p2"))
    assert compare(old, new).dice.difference == pytest.approx((1 / 3 + 0) / 2)


def test_who_proposed_a_label_map_and_how_much_was_changed_is_told(
    fresh_project: Project, make_scan: Callable, sided_labels: LabelTable
) -> None:
    image, label = make_scan(0)
    proposal = label.array.copy()
    proposal[:2] = 0
    review = Review(origin="corrected", model_id="m", model_sha256="a" * 64, proposal=label.with_array(proposal))
    record = fresh_project.add_case(image, label, split="test", review=review)
    scores = [score(label.array, label.array, sided_labels, "p")]
    for old, new, who in (("a", "b", "old"), ("b", "a", "new"), ("b", "c", "other")):
        found = compare_scores([record], sided_labels, scores, scores, old_sha256=old * 64, new_sha256=new * 64)
        assert found.cases[0].proposed_by == who
        assert found.cases[0].changed_voxels == int((label.array[:2] > 0).sum())


def test_a_bootstrap_interval_covers_the_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        low, high = bootstrap_interval(rng.normal(0.1, 1.0, 30).tolist())
        covered += low <= 0.1 <= high
    assert 0.88 < covered / 200 < 0.99
    assert bootstrap_interval([1.0, 1.0, 1.0]) == (1.0, 1.0)
    low, high = bootstrap_interval([0.0, 1.0])
    assert (low, high) == (0.0, 1.0)
    assert not math.isnan(low)
