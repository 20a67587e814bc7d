"""Means over labels and cases: nothing is lost silently."""

import math

import pytest

from VQSegLib.evaluation.results import CaseScores, EvaluationSettings, LabelScores, Presence
from VQSegLib.evaluation.summary import compute_means, summarize

SETTINGS = EvaluationSettings()
NAN, INF = math.nan, math.inf


def label(value: int, presence: Presence, dice: float, distance: float) -> LabelScores:
    scores = {name: distance if "sd" in name or "hd95" in name else dice for name in SETTINGS.metric_names}
    return LabelScores(
        value=value, name=f"L{value}", presence=presence, prediction_voxels=1, reference_voxels=1, scores=scores
    )


def case(case_id: str, *labels: LabelScores) -> CaseScores:
    means = compute_means(labels, SETTINGS.metric_names)
    return CaseScores(case_id=case_id, labels=labels, means=means, unknown_in_prediction=(), unknown_in_reference=())


CASES = (
    case("a", label(1, "both", 0.8, 2.0), label(2, "both", 0.6, 4.0)),
    case("b", label(1, "missed", 0.0, INF), label(2, "both", 0.4, 6.0)),
    case("c", label(1, "absent", NAN, NAN), label(2, "spurious", 0.0, INF)),
)


def test_presence_is_counted_per_label() -> None:
    first, second = summarize(CASES, SETTINGS).labels
    assert (first.both, first.missed, first.spurious, first.absent) == (1, 1, 0, 1)
    assert (second.both, second.missed, second.spurious, second.absent) == (2, 0, 1, 0)


def test_label_means_leave_out_absent_cases_and_keep_missed_ones() -> None:
    first = summarize(CASES, SETTINGS).labels[0]
    assert first.means["dice"].mean == pytest.approx(0.4)
    assert first.means["dice"].counted == 2
    assert first.means["assd_mm"].mean == INF
    assert first.means["assd_mm"].finite_mean == 2.0


def test_overall_mean_is_the_mean_of_the_cases_means() -> None:
    means = summarize(CASES, SETTINGS).means
    assert means["dice"].mean == pytest.approx((0.7 + 0.2 + 0.0) / 3)
    assert means["hd95_mm"].mean == INF
    assert means["hd95_mm"].finite_mean == pytest.approx((3.0 + 6.0) / 2)
    assert (means["hd95_mm"].counted, means["hd95_mm"].infinite) == (3, 2)


def test_label_that_only_one_case_names_counts_as_absent_in_the_others() -> None:
    cases = (CASES[0], case("d", label(5, "both", 1.0, 0.0)))
    assert [(summary.name, summary.absent) for summary in summarize(cases, SETTINGS).labels] == [
        ("L1", 1),
        ("L2", 1),
        ("L5", 1),
    ]
