"""The written rule, one reason at a time."""

from __future__ import annotations

from typing import Any

import pytest

from VQSegLib.training.figures import CaseComparison, Figures, LabelComparison, Paired, Verdict
from VQSegLib.training.rule import describe_bias, judge


def paired(difference: float | None, low: float | None = None) -> Paired:
    if difference is None:
        return Paired(old=None, new=None, difference=None, low=None, high=None)
    lowest = difference - 0.01 if low is None else low
    return Paired(old=0.7, new=0.7 + difference, difference=difference, low=lowest, high=difference + 0.01)


def label(**changes: Any) -> LabelComparison:
    values = {"value": 5, "name": "Larynx", "cases": 2, "dice": paired(0.01), "hd95_mm": paired(0.0)}
    return LabelComparison.model_validate({**values, "old_missed": 0, "new_missed": 0, **changes})


def case(**changes: Any) -> CaseComparison:
    values = {"case_id": "case-1", "old_dice": 0.7, "new_dice": 0.7, "old_wrong_voxels": 5, "new_wrong_voxels": 4}
    return CaseComparison.model_validate({**values, "proposed_by": "none", "changed_voxels": None, **changes})


def figures(**changes: Any) -> Figures:
    values = {"patients": 2, "cases": (case(), case()), "dice": paired(0.01), "hd95_mm": paired(0.0)}
    return Figures.model_validate({**values, "labels": (label(),), **changes})


def test_a_model_that_is_not_worse_passes_with_its_figures() -> None:
    verdict, sentence = judge(figures())
    assert verdict == Verdict.NOT_WORSE
    assert "Mean Dice 0.700 before and 0.710 after on 2 held-out patients" in sentence
    assert "(difference +0.010, 95 % interval +0.000 to +0.020): not worse" in sentence
    assert judge(figures(dice=paired(0.0)))[0] == Verdict.NOT_WORSE


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dice": paired(-0.0001)}, "its mean Dice is lower"),
        ({"dice": paired(0.01, low=-0.03)}, "the interval reaches below -0.02"),
        ({"labels": (label(), label(dice=paired(-0.06)))}, "Larynx loses 0.060 Dice"),
        ({"labels": (label(old_missed=0, new_missed=1),)}, "Larynx is missed in 1 instead of 0 cases"),
        ({"hd95_mm": paired(2.5)}, "HD95 grows by 2.5 mm"),
    ],
)
def test_each_way_of_being_worse_is_told(changes: dict[str, Any], reason: str) -> None:
    verdict, sentence = judge(figures(**changes))
    assert verdict == Verdict.WORSE
    assert sentence.endswith(f"worse by the rule, because {reason}.")


@pytest.mark.parametrize("changes", [{"patients": 1}, {"patients": 0, "cases": (), "dice": paired(None)}])
def test_with_fewer_than_two_held_out_patients_the_user_decides_and_is_told_why(changes: dict[str, Any]) -> None:
    verdict, sentence = judge(figures(**changes))
    assert verdict == Verdict.UNDECIDED
    assert f"needs 2 held-out patients and the project has {changes['patients']}" in sentence
    assert sentence.endswith("the user decides.")


def test_whose_proposal_the_labels_began_as_is_said() -> None:
    assert not list(describe_bias(figures()))
    cases = (case(proposed_by="old", changed_voxels=120), case(proposed_by="old"), case(proposed_by="other"))
    (sentence,) = describe_bias(figures(cases=cases))
    assert sentence == (
        "2 of 3 held-out label maps began as a proposal of the old model, which favours it; clinicians changed 120 "
        "voxels in them."
    )
