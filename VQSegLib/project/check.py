"""A thorough look at a project: every file against its hash, and the cases against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from VQSegLib.errors import ModelFileError, ProjectError
from VQSegLib.models.model_file import read_checked
from VQSegLib.project.cases import CaseRecord, Split
from VQSegLib.project.folder import Project
from VQSegLib.project.hashes import hash_file
from VQSegLib.project.label_files import unregistered_files


@dataclass(frozen=True)
class CheckReport:
    """What was found.

    Attributes:
        cases: Number of cases looked at.
        problems: One sentence for each thing that is wrong and what to do about it.
        notes: One sentence for each thing to know that is not wrong.
    """

    cases: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def check_project(
    project: Project,
    *,
    on_progress: Callable[[float, str], None] | None = None,
    before_case: Callable[[], None] = lambda: None,
) -> CheckReport:
    """Read everything in a project; changes nothing.

    Args:
        project: Opened project.
        on_progress: Called with the fraction done and what is looked at.
        before_case: Called before every case; what it raises ends the check.

    Raises:
        ProjectError: The folder itself cannot be read.
    """
    listing = project.list_cases()
    problems = list(listing.damaged.values())
    notes: list[str] = []
    for number, record in enumerate(listing.records):
        before_case()
        if on_progress is not None:
            on_progress(number / len(listing.records), "Checking the cases")
        problems += _check_files(project.case_folder(record.case_id), record)
        notes += _note_labels(project, record)
    problems += _check_twins(listing.records)
    problems += _check_patients(listing.records)
    problems += _check_models(project)
    return CheckReport(len(listing.records) + len(listing.damaged), tuple(problems), tuple(notes))


def _check_files(folder: Path, record: CaseRecord) -> Iterator[str]:
    """Compare every file of a case with its hash."""
    expected = {record.image.name: record.image.sha256}
    for revision in record.labels:
        expected[revision.name] = revision.sha256
        if revision.edits is not None:
            expected[revision.edits.name] = revision.edits.sha256
    for name, sha256 in expected.items():
        file = folder / name
        if not file.is_file():
            yield f"'{name}' of {record.case_id} is missing; restore it from a backup or remove the case."
        elif hash_file(file) != sha256:
            yield f"'{name}' of {record.case_id} was changed since it was stored; restore it from a backup."
    for file in unregistered_files(folder, record):
        yield (
            f"'{file.name}' of {record.case_id} belongs to no revision, so it is not used; add it again as a label map "
            "if it is wanted, then delete it."
        )


def _note_labels(project: Project, record: CaseRecord) -> Iterator[str]:
    unjudged = record.unjudged_values(project.labels)
    if unjudged:
        names = ", ".join(label.name for label in project.labels.labels if label.value in unjudged)
        yield f"The label map of {record.case_id} was accepted before the table had {names}; review it for them."


def _check_twins(records: tuple[CaseRecord, ...]) -> Iterator[str]:
    first: dict[str, str] = {}
    for record in records:
        twin = first.setdefault(record.image.voxel_sha256, record.case_id)
        if twin != record.case_id:
            yield f"{record.case_id} and {twin} hold the same image; remove one of them."


def _check_patients(records: tuple[CaseRecord, ...]) -> Iterator[str]:
    splits: dict[str, Split] = {}
    for record in records:
        if splits.setdefault(record.patient_id, record.split) != record.split:
            yield (
                f"{record.case_id} is in '{record.split}' but another scan of its patient in "
                f"'{splits[record.patient_id]}'; exclude one of them, or scores are too good."
            )


def _check_models(project: Project) -> Iterator[str]:
    """Compare every model file with its hash and look whether the one in use is there."""
    for entry in project.models.list().values():
        try:
            read_checked(entry.path)
        except ModelFileError as exc:
            yield str(exc)
    try:
        project.models.active_path()
    except ProjectError as exc:
        yield str(exc)
