"""Means over labels and over cases, in which nothing is lost silently."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from VQSegLib.evaluation.results import (
    CaseScores,
    Evaluation,
    EvaluationSettings,
    LabelScores,
    LabelSummary,
    Mean,
)


def compute_means(scores: Sequence[LabelScores], metric_names: Iterable[str]) -> dict[str, Mean]:
    """Return the mean of each metric over scores of one label in one case, absent ones left out."""
    return {name: _compute_mean([score.scores[name] for score in scores]) for name in metric_names}


def summarize(
    cases: Sequence[CaseScores],
    settings: EvaluationSettings,
    *,
    without_prediction: Sequence[str] = (),
    without_reference: Sequence[str] = (),
) -> Evaluation:
    """Join the scores of all cases.

    Args:
        cases: At least one case; labels may differ between cases when no label table was given.
        settings: The settings the cases were scored with.
        without_prediction: Names of references no prediction was found for.
        without_reference: Names of predictions no reference was found for.
    """
    return Evaluation(
        settings=settings,
        cases=tuple(cases),
        labels=_summarize_labels(cases, settings),
        means={name: _compute_mean_of_means([case.means[name] for case in cases]) for name in settings.metric_names},
        without_prediction=tuple(without_prediction),
        without_reference=tuple(without_reference),
    )


def _summarize_labels(cases: Sequence[CaseScores], settings: EvaluationSettings) -> tuple[LabelSummary, ...]:
    by_value: dict[int, list[LabelScores]] = {}
    for case in cases:
        for score in case.labels:
            by_value.setdefault(score.value, []).append(score)
    return tuple(_summarize_label(scores, len(cases), settings) for _, scores in sorted(by_value.items()))


def _summarize_label(scores: list[LabelScores], num_cases: int, settings: EvaluationSettings) -> LabelSummary:
    presences = [score.presence for score in scores]
    present = len(presences) - presences.count("absent")
    return LabelSummary(
        value=scores[0].value,
        name=scores[0].name,
        both=presences.count("both"),
        missed=presences.count("missed"),
        spurious=presences.count("spurious"),
        absent=num_cases - present,
        means=compute_means(scores, settings.metric_names),
    )


def _compute_mean(values: Sequence[float]) -> Mean:
    counted = [value for value in values if not np.isnan(value)]
    finite = [value for value in counted if np.isfinite(value)]
    return Mean(
        mean=_average(counted),
        finite_mean=_average(finite),
        counted=len(counted),
        infinite=len(counted) - len(finite),
    )


def _compute_mean_of_means(means: Sequence[Mean]) -> Mean:
    outer = _compute_mean([mean.mean for mean in means])
    finite = _compute_mean([mean.finite_mean for mean in means])
    infinite = sum(mean.infinite for mean in means)
    return Mean(mean=outer.mean, finite_mean=finite.mean, counted=outer.counted, infinite=infinite)


def _average(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
