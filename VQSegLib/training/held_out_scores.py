"""How good a model is on held-out cases; scored once per model and label map, because whole scans take long."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

import numpy as np
from pydantic import Field

from VQSegLib.atomic_files import write_text
from VQSegLib.documents import Document, parse_document
from VQSegLib.errors import ProjectError
from VQSegLib.evaluation.evaluate import evaluate_volumes
from VQSegLib.evaluation.results import CaseScores
from VQSegLib.inference.predictor import Predictor
from VQSegLib.labels import LabelTable
from VQSegLib.models.card import Scores
from VQSegLib.models.protocol import SegmentationModel
from VQSegLib.project.cases import CaseRecord
from VQSegLib.project.folder import Project
from VQSegLib.training.case_source import CaseSource
from VQSegLib.training.judged import load_judged

_METRICS = ("dice", "hd95_mm")


class HeldOutScore(Document):
    """One model on one held-out case."""

    case_id: str
    patient_id: str
    scores: CaseScores | None = Field(description="null: the label map says nothing about any label of the table.")
    wrong_voxels: int = Field(ge=0, description="Reviewed voxels where model and accepted label map differ.")


class _ScoreSheet(Document):
    """``models/scores/<hash of the model>.json``: what is known of one model, by :func:`_make_key`."""

    scores: dict[str, HeldOutScore] = Field(default_factory=dict)


class ScoreStore:
    """The scores of a project's models; safe to delete at any time."""

    def __init__(self, project: Project) -> None:
        """Keep scores in the folder of the project's models."""
        self._folder = project.models.folder / "scores"

    def load(self, model_sha256: str, record: CaseRecord, labels: LabelTable) -> HeldOutScore | None:
        """Return the score of a model on a case as it is now, None if it was never computed."""
        return self._read(model_sha256).scores.get(_make_key(record, labels))

    def save(self, model_sha256: str, record: CaseRecord, labels: LabelTable, score: HeldOutScore) -> None:
        """Keep a score."""
        self._folder.mkdir(exist_ok=True)
        known = self._read(model_sha256).scores
        sheet = _ScoreSheet(scores={**known, _make_key(record, labels): score})
        write_text(self._file(model_sha256), sheet.model_dump_json(indent=1))

    def _read(self, model_sha256: str) -> _ScoreSheet:
        try:
            text = self._file(model_sha256).read_bytes()
            return parse_document(_ScoreSheet, text, "scores", ProjectError)
        except (OSError, ProjectError):
            return _ScoreSheet()

    def _file(self, model_sha256: str) -> Path:
        return self._folder / f"{model_sha256}.json"


def score_case(
    project: CaseSource,
    record: CaseRecord,
    labels: LabelTable,
    predictor: Predictor,
    cancelled: Callable[[], bool] | None = None,
) -> HeldOutScore:
    """Segment a held-out case in its own geometry and score what a person judged of it.

    Raises:
        Cancelled: ``cancelled`` answered True.
        ProjectError: The case cannot be read.
    """
    prediction = predictor.predict(project.load_image(record.case_id), cancelled=cancelled).label_map
    judged = load_judged(project, record, labels)
    limited = judged.limit(prediction)
    scores = None
    if judged.labels is not None:
        scores = evaluate_volumes(limited, judged.reference, judged.labels, case_id=record.case_id)
    return HeldOutScore(
        case_id=record.case_id,
        patient_id=record.patient_id,
        scores=scores,
        wrong_voxels=int(np.count_nonzero(limited.array != judged.reference.array)),
    )


def score_model(
    project: CaseSource,
    records: Iterable[CaseRecord],
    labels: LabelTable,
    model: SegmentationModel,
    *,
    device: str = "auto",
    cancelled: Callable[[], bool] | None = None,
) -> list[HeldOutScore]:
    """Score a model that is in memory on held-out cases.

    Raises:
        Cancelled: ``cancelled`` answered True.
    """
    predictor = Predictor(model, device=device)
    return [score_case(project, record, labels, predictor, cancelled) for record in records]


def summarize_scores(scores: Iterable[HeldOutScore]) -> Scores | None:
    """Return the means for a model card; None without a scored case."""
    cases = [score.scores for score in scores if score.scores is not None]
    if not cases:
        return None
    names = list(dict.fromkeys(label.name for case in cases for label in case.labels))
    found = {name: {metric: [_score_of(case, name, metric) for case in cases] for metric in _METRICS} for name in names}
    return Scores(
        split="held_out",
        cases=len(cases),
        mean={metric: _mean([case.means[metric].finite_mean for case in cases]) for metric in _METRICS},
        per_label={name: {metric: _mean(values) for metric, values in found[name].items()} for name in names},
    )


def _score_of(case: CaseScores, name: str, metric: str) -> float:
    return next((label.scores[metric] for label in case.labels if label.name == name), float("nan"))


def _mean(values: list[float]) -> float | None:
    """Return the mean of the finite values; a missed structure shows in its Dice."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else None


def _make_key(record: CaseRecord, labels: LabelTable) -> str:
    latest = record.latest_label
    label = "" if latest is None else f"{latest.sha256}{latest.reviewed_slices}{latest.table_values}"
    return sha256(f"{record.image.sha256}{label}{sorted(labels.values)}".encode()).hexdigest()[:20]
