"""Two models on the same held-out cases: paired differences and how sure they are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from VQSegLib.labels import LabelTable
from VQSegLib.project.cases import CaseRecord
from VQSegLib.training.figures import CaseComparison, Figures, LabelComparison, Paired, Proposer
from VQSegLib.training.held_out_scores import HeldOutScore

_RESAMPLES = 10_000
_LEVEL_PERCENT = 95.0

Pairs = list[tuple[str, float, float]]
"""Patient, value of the old model, value of the new one."""


def compare_scores(
    records: Sequence[CaseRecord],
    labels: LabelTable,
    old: Sequence[HeldOutScore],
    new: Sequence[HeldOutScore],
    *,
    old_sha256: str,
    new_sha256: str,
) -> Figures:
    """Compare two models case by case.

    A structure that neither model nor clinician sees in a case is left out; one that the clinician does not see and
    only one model draws counts 1 for the other model, so that a model cannot win by drawing what is not there.

    Args:
        records: Held-out cases.
        labels: Structures.
        old: Scores of the old model, one per record.
        new: Scores of the new one.
        old_sha256: Content hash of the old model.
        new_sha256: Content hash of the new one.
    """
    dice = {label.name: _pair(old, new, label.name, "dice", 1.0) for label in labels.labels}
    distances = {label.name: _pair(old, new, label.name, "hd95_mm", 0.0) for label in labels.labels}
    hashes: dict[str | None, Proposer] = {new_sha256: "new", old_sha256: "old"}
    return Figures(
        patients=len({record.patient_id for record in records}),
        cases=tuple(
            _compare_case(record, pair[0], pair[1], hashes) for record, *pair in zip(records, old, new, strict=True)
        ),
        dice=_summarize(_case_means(old, new)),
        hd95_mm=_summarize([pair for pairs in distances.values() for pair in pairs]),
        labels=tuple(
            LabelComparison(
                value=label.value,
                name=label.name,
                cases=len(dice[label.name]),
                dice=_summarize(dice[label.name]),
                hd95_mm=_summarize(distances[label.name]),
                old_missed=_count_missed(old, label.name),
                new_missed=_count_missed(new, label.name),
            )
            for label in labels.labels
        ),
    )


def bootstrap_interval(differences: Sequence[float], *, seed: int = 0) -> tuple[float, float]:
    """Return the percentile interval of the mean of independent differences (Efron, Ann. Statist. 7:1, 1979).

    Args:
        differences: One per patient; at least two.
        seed: The same figures give the same interval.
    """
    values = np.asarray(differences, dtype=np.float64)
    chosen = np.random.default_rng(seed).integers(len(values), size=(_RESAMPLES, len(values)))
    tail = (100 - _LEVEL_PERCENT) / 2
    low, high = np.percentile(values[chosen].mean(axis=1), (tail, 100 - tail))
    return float(low), float(high)


def _pair(
    old: Sequence[HeldOutScore], new: Sequence[HeldOutScore], name: str, metric: str, when_absent: float
) -> Pairs:
    pairs = []
    for first, second in zip(old, new, strict=True):
        values = [_value(score, name, metric) for score in (first, second)]
        if all(math.isnan(value) for value in values):
            continue
        a, b = (when_absent if math.isnan(value) else value for value in values)
        if math.isfinite(a) and math.isfinite(b):
            pairs.append((first.patient_id, a, b))
    return pairs


def _case_means(old: Sequence[HeldOutScore], new: Sequence[HeldOutScore]) -> Pairs:
    return [
        (first.patient_id, *means)
        for first, second in zip(old, new, strict=True)
        if (means := _mean_dice(first, second)) is not None
    ]


def _mean_dice(old: HeldOutScore, new: HeldOutScore) -> tuple[float, float] | None:
    names = [label.name for label in old.scores.labels] if old.scores else []
    pairs = [pair for name in names for pair in _pair([old], [new], name, "dice", 1.0)]
    if not pairs:
        return None
    return float(np.mean([pair[1] for pair in pairs])), float(np.mean([pair[2] for pair in pairs]))


def _value(score: HeldOutScore, name: str, metric: str) -> float:
    found = score.scores.labels if score.scores else ()
    return next((label.scores[metric] for label in found if label.name == name), math.nan)


def _count_missed(scores: Sequence[HeldOutScore], name: str) -> int:
    found = (label for score in scores if score.scores for label in score.scores.labels)
    return sum(label.name == name and label.presence == "missed" for label in found)


def _summarize(pairs: Pairs) -> Paired:
    """Return means, and the interval over patients: several scans of one patient are not independent."""
    if not pairs:
        return Paired(old=None, new=None, difference=None, low=None, high=None)
    table: npt.NDArray[np.float64] = np.array([pair[1:] for pair in pairs])
    patients = sorted({patient for patient, _, _ in pairs})
    per_patient = [float(np.mean([b - a for one, a, b in pairs if one == patient])) for patient in patients]
    low, high = bootstrap_interval(per_patient) if len(patients) > 1 else (None, None)
    return Paired(
        old=float(table[:, 0].mean()),
        new=float(table[:, 1].mean()),
        difference=float(np.mean(per_patient)),
        low=low,
        high=high,
    )


def _compare_case(
    record: CaseRecord, old: HeldOutScore, new: HeldOutScore, hashes: dict[str | None, Proposer]
) -> CaseComparison:
    latest = record.latest_label
    proposer: Proposer = "none"
    if latest is not None and latest.provenance.model_sha256 is not None:
        proposer = hashes.get(latest.provenance.model_sha256, "other")
    means = _mean_dice(old, new) or (None, None)
    return CaseComparison(
        case_id=record.case_id,
        old_dice=means[0],
        new_dice=means[1],
        old_wrong_voxels=old.wrong_voxels,
        new_wrong_voxels=new.wrong_voxels,
        proposed_by=proposer,
        changed_voxels=None if latest is None or latest.edits is None else latest.edits.voxels,
    )
