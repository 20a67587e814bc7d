"""Which cases of a project an export takes, and why others are left out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from VQSegLib.errors import ProjectError
from VQSegLib.export.results import ExportReport
from VQSegLib.project.cases import CaseRecord, CaseState, Split
from VQSegLib.project.folder import Project

BeforeCase = Callable[[int, str], None]
"""Called with the number of cases done and the case that comes next; what it raises ends the export."""


@dataclass(frozen=True)
class ExportSelection:
    """Cases of one export.

    Attributes:
        train: Labeled cases that may be trained on.
        test: Labeled cases that are never trained on: validation, test and held-out ones.
        left_out: Case id to one sentence.
    """

    train: tuple[CaseRecord, ...]
    test: tuple[CaseRecord, ...]
    left_out: dict[str, str]

    @property
    def all(self) -> tuple[CaseRecord, ...]:
        """All cases that are exported."""
        return self.train + self.test

    def announced(self, before_case: BeforeCase) -> Iterator[CaseRecord]:
        """Yield all cases, calling ``before_case`` before each."""
        for number, record in enumerate(self.all):
            before_case(number, record.case_id)
            yield record

    def report(self, output: Path, notes: Sequence[str] = ()) -> ExportReport:
        """Return the answer of an export that wrote all of these cases to ``output``."""
        return ExportReport(
            output=str(output),
            train=tuple(record.case_id for record in self.train),
            test=tuple(record.case_id for record in self.test),
            left_out=self.left_out,
            notes=tuple(notes),
        )


def select_labeled(
    project: Project, case_ids: Collection[str] | None = None, *, takes_partial: bool = True
) -> ExportSelection:
    """Return the labeled cases of a project.

    Args:
        project: Project.
        case_ids: Only these; None for all.
        takes_partial: Whether the format can say that some slices were not reviewed.

    Raises:
        ProjectError: A wanted case does not exist, or nothing is left.
    """
    listing = project.list_cases()
    left_out = dict(listing.damaged)
    chosen: list[CaseRecord] = []
    for record in listing.records if case_ids is None else [project.case(case_id) for case_id in case_ids]:
        reason = _reason_to_leave_out(record, project, takes_partial=takes_partial)
        if reason is None:
            chosen.append(record)
        elif reason:
            left_out[record.case_id] = reason
    if not chosen:
        reasons = next(iter(left_out.values()), "label a case first.")
        msg = f"The project '{project.path}' has no labeled case to export; {reasons}"
        raise ProjectError(msg)
    train = tuple(record for record in chosen if record.split == Split.TRAIN)
    return ExportSelection(train, tuple(record for record in chosen if record not in train), left_out)


def _reason_to_leave_out(record: CaseRecord, project: Project, *, takes_partial: bool) -> str | None:
    """Return why a case is left out, an empty text if that needs no word, None if it is taken."""
    latest = record.latest_label
    if latest is None:
        return ""
    if record.state == CaseState.EXCLUDED:
        return "It is excluded."
    if latest.reviewed_slices is not None and not takes_partial:
        return "Only some of its slices were reviewed, which this format cannot say."
    unjudged = record.unjudged_values(project.labels)
    if unjudged:
        names = ", ".join(label.name for label in project.labels.labels if label.value in unjudged)
        return f"Its label map was accepted before the table had {names}; review it for them first."
    return None
