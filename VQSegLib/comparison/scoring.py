"""Predict the test cases with a trained model and score them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from VQSegLib.comparison.data import BenchmarkData
from VQSegLib.comparison.results import METRICS, VARIANTS, CaseScore, Variant
from VQSegLib.evaluation.evaluate import evaluate_arrays
from VQSegLib.evaluation.results import EvaluationSettings, LabelScores
from VQSegLib.inference.predictor import Predictor
from VQSegLib.largest_component import keep_largest_components
from VQSegLib.models.protocol import SegmentationModel
from VQSegLib.volume import Array, Volume


def score_test_cases(
    data: BenchmarkData,
    model: SegmentationModel,
    device: str,
    precision: str,
    cancelled: Callable[[], bool],
    on_case: Callable[[int], None],
) -> dict[Variant, tuple[CaseScore, ...]]:
    """Return the scores of all test cases, as predicted and with the largest component of each label.

    Args:
        data: Test cases, unit of distances and windows.
        model: What to test.
        device: Where to predict.
        precision: Precision of the predictor.
        cancelled: Polled between batches.
        on_case: Called with the number of cases done.
    """
    predictor = Predictor(model, device=device, precision=precision, stride=data.stride)
    scores: dict[Variant, list[CaseScore]] = {variant: [] for variant in VARIANTS}
    for count, record in enumerate(data.test, start=1):
        prediction = predictor.predict(data.source.load_image(record.case_id), cancelled=cancelled).label_map.array
        reference = data.source.load_label(record.case_id)
        kept = _per_map(keep_largest_components, prediction, data.slices)
        scores["plain"].append(score_case(data, prediction, reference, record.case_id))
        scores["largest_component"].append(score_case(data, kept, reference, record.case_id))
        on_case(count)
    return {variant: tuple(found) for variant, found in scores.items()}


def score_case(data: BenchmarkData, prediction: Array, reference: Volume, case_id: str) -> CaseScore:
    """Score one label map ``(K, J, I)``, as a volume or slice by slice.

    A structure that only one map shows has no distance. A mean without it would reward missing the hard ones, so the
    diagonal of the grid is counted, which no found structure can reach.
    """
    spacing = reference.spacing_mm_kji if data.unit == "mm" else (1.0, 1.0, 1.0)
    pairs = [(prediction, reference.array, spacing)]
    if data.slices:
        pairs = [(p, r, spacing[1:]) for p, r in zip(prediction, reference.array, strict=True)]  # type: ignore[misc]
    settings, means, missed = EvaluationSettings(unit=data.unit), [], 0
    for predicted, true, voxel in pairs:
        labels = evaluate_arrays(predicted, true, voxel, data.source.labels, settings, case_id=case_id).labels
        shown = [label for label in labels if label.presence != "absent"]
        missed += sum(label.presence != "both" for label in shown)
        diagonal = math.hypot(*(side * length for side, length in zip(predicted.shape, voxel, strict=True)))
        if shown:
            means.append(
                [float(np.mean([_value(label, name, data.unit, diagonal) for label in shown])) for name in METRICS]
            )
    overall = np.mean(means, axis=0) if means else np.full(len(METRICS), np.nan)
    return CaseScore(case_id=case_id, missed=missed, scores=dict(zip(METRICS, overall.tolist(), strict=True)))


def _value(label: LabelScores, metric: str, unit: str, diagonal: float) -> float:
    value = label.scores[metric if metric in label.scores else f"{metric}_{unit}"]
    return value if math.isfinite(value) else diagonal


def _per_map(change: Callable[[Array], Array], label_map: Array, slices: bool) -> Array:
    """Apply a change to the volume, or to each slice where slices are no volume."""
    parts: Sequence[Array] = label_map if slices else [label_map]  # type: ignore[assignment]
    changed = [change(part) for part in parts]
    return np.stack(changed) if slices else changed[0]
