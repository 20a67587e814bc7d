"""What the service answers about projects: documents for programs."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from VQSegLib.documents import Document
from VQSegLib.labels import LabelTable
from VQSegLib.project.cases import CaseRecord, CaseState, Split
from VQSegLib.project.held_out import describe_split
from VQSegLib.volume import Volume


class CaseSummary(Document):
    """One case of a list."""

    case_id: str
    patient_id: str
    state: CaseState
    split: Split
    split_reason: str = Field(description="What the case is used for and why, one sentence.")
    revision: int | None = Field(description="Latest label revision; null: none.")
    revisions: int
    reviewed_slices: int | None = Field(description="Number of slices a person vouches for; null: all.")
    slices: int
    annotator_id: str | None
    changed_voxels: int | None = Field(description="Voxels a person changed in the proposal; null: not known.")
    added: str = Field(description="UTC time, ISO 8601.")
    accepted: str | None = Field(description="UTC time the latest label map was accepted.")
    unjudged_labels: tuple[str, ...] = Field(description="Labels added to the table after that.")


class CaseList(Document):
    """Answer to ``cases list``."""

    cases: tuple[CaseSummary, ...]
    counts: dict[str, int] = Field(description="Number of cases in each state, whatever was asked for.")
    damaged: dict[str, str] = Field(description="Case id to the reason it cannot be used.")


@dataclass(frozen=True)
class OpenedCase:
    """A case in memory.

    Attributes:
        summary: What is known about it.
        image: The scan.
        label: Latest label revision, if there is one.
        labels: What its values mean.
    """

    summary: CaseSummary
    image: Volume
    label: Volume | None
    labels: LabelTable


class ProjectSummary(Document):
    """Answer to ``project open``: what is in a project."""

    path: str
    labels: LabelTable
    modality: str
    intensity_window: tuple[float, float]
    counts: dict[str, int] = Field(description="Number of cases in each state.")
    held_out: int = Field(description="Number of held-out cases with a label map.")
    damaged: dict[str, str] = Field(description="Case id to the reason it cannot be used.")
    active_model: str | None = Field(description="Model of the project that Segment uses; null: none.")
    repairs: tuple[str, ...] = Field(description="What opening it had to put right, one sentence each.")


class ProjectCheck(Document):
    """Answer to ``project check``."""

    cases: int
    repairs: tuple[str, ...] = Field(description="What opening it had to put right, one sentence each.")
    problems: tuple[str, ...] = Field(description="What is wrong, one sentence each.")
    notes: tuple[str, ...] = Field(description="What to know, one sentence each.")


def summarize_case(record: CaseRecord, table: LabelTable) -> CaseSummary:
    """Return the line of a case list."""
    latest = record.latest_label
    reviewed = None if latest is None or latest.reviewed_slices is None else len(latest.reviewed_slices)
    unjudged = record.unjudged_values(table)
    return CaseSummary(
        case_id=record.case_id,
        patient_id=record.patient_id,
        state=record.state,
        split=record.split,
        split_reason=describe_split(record),
        revision=None if latest is None else latest.revision,
        revisions=len(record.labels),
        reviewed_slices=reviewed,
        slices=record.geometry.shape_kji[0],
        annotator_id=None if latest is None else latest.provenance.annotator_id,
        changed_voxels=None if latest is None or latest.edits is None else latest.edits.voxels,
        added=record.provenance.created,
        accepted=None if latest is None else latest.provenance.created,
        unjudged_labels=tuple(label.name for label in table.labels if label.value in unjudged),
    )


def count_states(records: tuple[CaseRecord, ...]) -> dict[str, int]:
    """Return the number of cases in each state, states without cases included."""
    return {state.value: sum(record.state == state for record in records) for state in CaseState}
