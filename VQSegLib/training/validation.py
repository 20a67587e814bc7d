"""Validation through the predictor: the same path that Segment takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from VQSegLib.evaluation.overlap import dice
from VQSegLib.inference.predictor import Predictor
from VQSegLib.models.protocol import InMemoryModel
from VQSegLib.project.cases import CaseRecord
from VQSegLib.training.case_source import CaseSource
from VQSegLib.training.judged import load_judged


@dataclass(frozen=True)
class ValidationScores:
    """Dice per label, mean over cases, and the mean of these; NaN where a label occurs in no case."""

    per_label: dict[str, float]

    @property
    def mean(self) -> float:
        """Mean over the labels that occur."""
        found = [value for value in self.per_label.values() if not math.isnan(value)]
        return float(np.mean(found)) if found else math.nan


def validate(
    project: CaseSource,
    records: Sequence[CaseRecord],
    candidate: InMemoryModel,
    device: str,
    precision: str,
    cancelled: Callable[[], bool] | None = None,
) -> ValidationScores:
    """Predict every case in its own geometry and score what a person judged of it.

    Args:
        project: Project of the cases.
        records: Labeled cases.
        candidate: Network to score.
        device: Device of the predictor.
        precision: Precision of the predictor.
        cancelled: Polled between batches.
    """
    predictor = Predictor(candidate, device=device, precision=precision)
    scores: dict[str, list[float]] = {label.name: [] for label in candidate.labels.labels}
    for record in records:
        predicted = predictor.predict(project.load_image(record.case_id), cancelled=cancelled).label_map
        judged = load_judged(project, record, candidate.labels)
        prediction, reference = judged.limit(predicted).array, judged.reference.array
        for label in () if judged.labels is None else judged.labels.labels:
            scores[label.name].append(dice(prediction == label.value, reference == label.value))
    return ValidationScores({name: _mean_of_numbers(values) for name, values in scores.items()})


def _mean_of_numbers(values: Sequence[float]) -> float:
    numbers = [value for value in values if not math.isnan(value)]
    return float(np.mean(numbers)) if numbers else math.nan
