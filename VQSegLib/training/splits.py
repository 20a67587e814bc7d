"""Which cases a run uses for what."""

from __future__ import annotations

from dataclasses import dataclass

from VQSegLib.errors import ProjectError
from VQSegLib.project.cases import CaseRecord, CaseState, Split
from VQSegLib.training.case_source import CaseSource


@dataclass(frozen=True)
class TrainingCases:
    """Cases of one run. Test cases are never among them; validation cases are never trained on."""

    labeled: tuple[CaseRecord, ...]
    unlabeled: tuple[CaseRecord, ...]
    validation: tuple[CaseRecord, ...]


def select_cases(project: CaseSource, *, uses_unlabeled: bool) -> TrainingCases:
    """Return the cases of a run, in an order that depends on their voxels and not on their random ids.

    Raises:
        ProjectError: No labeled training case, or no unlabeled one for a method that needs some.
    """
    records = [record for record in project.cases() if record.state != CaseState.EXCLUDED]
    records.sort(key=lambda record: record.image.voxel_sha256)
    train = [record for record in records if record.split == Split.TRAIN]
    labeled = tuple(record for record in train if record.is_labeled)
    unlabeled = tuple(record for record in train if not record.is_labeled)
    validation = tuple(record for record in records if record.split == Split.VALIDATION and record.is_labeled)
    if not labeled:
        msg = (
            f"The project '{project.path}' has no labeled case to train on; "
            "add some with `vqseg cases import --labels`."
        )
        raise ProjectError(msg)
    if uses_unlabeled and not unlabeled:
        msg = (
            f"The project '{project.path}' has no unlabeled case, which this method needs; add scans with "
            "`vqseg cases import` or use method 'supervised'."
        )
        raise ProjectError(msg)
    return TrainingCases(labeled, unlabeled if uses_unlabeled else (), validation)
