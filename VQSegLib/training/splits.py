"""Which cases a run uses for what; chosen when it starts and kept, so that a resumed run goes on with the same data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from VQSegLib.atomic_files import write_text
from VQSegLib.documents import Document, parse_document
from VQSegLib.errors import ConfigError, ProjectError
from VQSegLib.labels import LabelTable
from VQSegLib.project.case_files import find_revision
from VQSegLib.project.cases import CaseRecord, CaseState, Split
from VQSegLib.training.case_source import CaseSource
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.run_files import CASES_FILE


@dataclass(frozen=True)
class TrainingCases:
    """Cases of one run; what it reads of a labeled one is the latest label map of its record.

    Attributes:
        labels: What the classes mean.
        labeled: Labeled training cases; only their reviewed slices enter the supervised loss.
        unlabeled: Scans without label map and those of which only some slices were reviewed.
        validation: Cases that choose the weights; never trained on.
        held_out: Cases that compare models; neither trained on nor used to choose weights.
    """

    labels: LabelTable
    labeled: tuple[CaseRecord, ...]
    unlabeled: tuple[CaseRecord, ...]
    validation: tuple[CaseRecord, ...]
    held_out: tuple[CaseRecord, ...]

    @property
    def revisions(self) -> dict[str, int]:
        """Revision of each labeled training case."""
        return _revisions(self.labeled)


class _RunCases(Document):
    """``cases.json`` of a run: case ids, with the revision of the label map where one is used."""

    labels: LabelTable
    labeled: dict[str, int]
    unlabeled: tuple[str, ...]
    validation: dict[str, int]
    held_out: dict[str, int]


def uses_unlabeled(config: TrainingConfig) -> bool:
    """Return whether a run ever looks at unlabeled patches."""
    return config.method.uses_unlabeled and config.method.needs_unlabeled(config.max_steps - 1, config.max_steps)


def select_cases(project: CaseSource, *, uses_unlabeled: bool, class_order: tuple[int, ...] = ()) -> TrainingCases:
    """Return the cases of a run, in an order that depends on their voxels and not on their random ids.

    Args:
        project: Where the cases come from.
        uses_unlabeled: Whether the method learns from unlabeled scans, too.
        class_order: Label values in the order of a parent's classes, if there is one.

    Raises:
        ProjectError: No labeled training case, none that shows what a label is, or no unlabeled one for a method that
            needs some.
    """
    records = [record for record in project.cases() if record.state != CaseState.EXCLUDED]
    records.sort(key=lambda record: record.image.voxel_sha256)
    by_split = {split: tuple(one for one in records if one.split == split and one.is_labeled) for split in Split}
    train = [record for record in records if record.split == Split.TRAIN]
    unlabeled = tuple(record for record in train if not record.is_labeled or _is_partly_reviewed(record))
    labels = _ordered(project.labels, class_order)
    _check_labeled(project, by_split[Split.TRAIN], labels)
    if uses_unlabeled and not unlabeled:
        msg = (
            f"The project '{project.path}' has no unlabeled case, which this method needs; add scans in Slicer or with "
            "`vqseg cases add`, or use method 'supervised'."
        )
        raise ProjectError(msg)
    return TrainingCases(
        labels,
        by_split[Split.TRAIN],
        unlabeled if uses_unlabeled else (),
        by_split[Split.VALIDATION],
        by_split[Split.HELD_OUT],
    )


def save_cases(folder: Path, cases: TrainingCases) -> None:
    """Keep the choice in the folder of a run."""
    document = _RunCases(
        labels=cases.labels,
        labeled=cases.revisions,
        unlabeled=tuple(record.case_id for record in cases.unlabeled),
        validation=_revisions(cases.validation),
        held_out=_revisions(cases.held_out),
    )
    write_text(folder / CASES_FILE, document.model_dump_json(indent=2))


def load_cases(project: CaseSource, folder: Path) -> TrainingCases:
    """Return the cases a run began with, also if label maps were revised since.

    Raises:
        ProjectError: A case was removed or excluded since, or there is no such list.
        ConfigError: The list is damaged.
    """
    file = folder / CASES_FILE
    if not file.is_file():
        msg = f"There is no run to resume in '{folder}' (no {CASES_FILE}); start it without --resume."
        raise ProjectError(msg)
    chosen = parse_document(_RunCases, file.read_bytes(), str(file), ConfigError)
    return TrainingCases(
        chosen.labels,
        _restore(project, chosen.labeled),
        _restore_all(project, chosen.unlabeled, lambda record: record),
        _restore(project, chosen.validation),
        _restore(project, chosen.held_out),
    )


def _check_labeled(project: CaseSource, labeled: tuple[CaseRecord, ...], labels: LabelTable) -> None:
    if not labeled:
        msg = (
            f"The project '{project.path}' has no labeled case to train on; accept and queue a corrected scan in "
            "Slicer, or use `vqseg cases add --label` on the command line."
        )
        raise ProjectError(msg)
    never = set.intersection(*(set(record.unjudged_values(labels)) for record in labeled))
    if never:
        names = ", ".join(label.name for label in labels.labels if label.value in never)
        msg = (
            f"No label map says anything about {names}, added to the label table after all of them were accepted; "
            "review at least one case for it or remove the label."
        )
        raise ProjectError(msg)


def _is_partly_reviewed(record: CaseRecord) -> bool:
    latest = record.latest_label
    return latest is not None and latest.reviewed_slices is not None


def _ordered(table: LabelTable, class_order: tuple[int, ...]) -> LabelTable:
    """Return the table in another order of classes; the table as it is if that order is of other labels."""
    if set(class_order) != set(table.values):
        return table
    return LabelTable(labels=tuple(sorted(table.labels, key=lambda label: class_order.index(label.value))))


def _revisions(records: Iterable[CaseRecord]) -> dict[str, int]:
    return {record.case_id: find_revision(record, None).revision for record in records}


def _restore(project: CaseSource, revisions: Mapping[str, int]) -> tuple[CaseRecord, ...]:
    """Return records whose latest label map is the one the run began with."""

    def as_it_was(record: CaseRecord) -> CaseRecord:
        used = revisions[record.case_id]
        find_revision(record, used)
        return record.model_copy(update={"labels": tuple(one for one in record.labels if one.revision <= used)})

    return _restore_all(project, revisions, as_it_was)


def _restore_all(
    project: CaseSource, case_ids: Iterable[str], as_it_was: Callable[[CaseRecord], CaseRecord]
) -> tuple[CaseRecord, ...]:
    present = {record.case_id: record for record in project.cases()}
    restored = []
    for case_id in case_ids:
        record = present.get(case_id)
        if record is None or record.state == CaseState.EXCLUDED:
            what = "removed" if record is None else "excluded"
            msg = f"Case '{case_id}' was {what} since the run began, so the run cannot go on; start a new one."
            raise ProjectError(msg)
        restored.append(as_it_was(record))
    return tuple(restored)
