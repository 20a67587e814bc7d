"""One case of a project: the documents in ``case.json``."""

from __future__ import annotations

import uuid
from enum import StrEnum
from typing import Literal, TypeVar

from pydantic import Field

from VQSegLib.documents import Document
from VQSegLib.errors import ProjectError
from VQSegLib.labels import LabelTable
from VQSegLib.volume import Volume

IMAGE_NAME = "image.nii.gz"
RECORD_NAME = "case.json"
CASE_ID_PATTERN = r"^case-[0-9a-f]{10}$"
PATIENT_ID_PATTERN = r"^patient-[0-9a-f]{10}$"


class CaseState(StrEnum):
    """Where a case stands: no label, a label that waits for training, used by a finished run, or left out."""

    UNLABELED = "unlabeled"
    QUEUED = "queued"
    TRAINED = "trained"
    EXCLUDED = "excluded"


class Split(StrEnum):
    """What a case is used for; only ``train`` cases ever enter a loss.

    ``held_out`` cases are chosen by the project itself and compare a new model with its parent; ``validation`` and
    ``test`` are given by the user only, to choose weights and to report a benchmark.
    """

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    HELD_OUT = "held_out"


class Geometry(Document):
    """Voxel grid of a case; axis order is (k, j, i) = (slice, row, column) where the name says so."""

    shape_kji: tuple[int, int, int]
    spacing_mm_kji: tuple[float, float, float]
    affine_ijk_to_ras: tuple[tuple[float, float, float, float], ...] = Field(min_length=4, max_length=4)

    @classmethod
    def of(cls, volume: Volume) -> Geometry:
        """Return the geometry of ``volume``."""
        return cls.model_validate(
            {
                "shape_kji": volume.array.shape,
                "spacing_mm_kji": volume.spacing_mm_kji,
                "affine_ijk_to_ras": volume.affine_ijk_to_ras.tolist(),
            }
        )


class Provenance(Document):
    """Where a file of a case came from; source paths and patient data are never stored."""

    created: str = Field(description="UTC time, ISO 8601; for a label map: when it was accepted.")
    started: str | None = Field(default=None, description="UTC time the annotator began, ISO 8601.")
    software: str = Field(description="Program and version that wrote the file.")
    origin: Literal["imported", "corrected", "predicted"] = "imported"
    annotator_id: str | None = Field(default=None, description="Name the annotator chose to be recorded under.")
    model_id: str | None = Field(default=None, description="Model whose proposal was corrected.")
    model_sha256: str | None = None


class ImageFile(Document):
    """The image of a case."""

    name: str = IMAGE_NAME
    sha256: str = Field(description="SHA-256 of the file.")
    voxel_sha256: str = Field(description="SHA-256 over shape and voxel values; finds the same scan in another file.")


class LabelEdits(Document):
    """What a person changed in one label of a model's proposal."""

    value: int = Field(ge=1, le=255)
    added_voxels: int = Field(ge=0)
    removed_voxels: int = Field(ge=0)


class Edits(Document):
    """Difference between an accepted label map and the model's proposal it began as."""

    name: str = Field(description="File with 1 where the accepted value differs from the proposed one, 0 elsewhere.")
    sha256: str = Field(description="SHA-256 of the file.")
    voxels: int = Field(ge=0, description="Number of voxels that differ.")
    labels: tuple[LabelEdits, ...] = Field(default=(), description="Labels of which any voxel was changed.")


class LabelRevision(Document):
    """One accepted label map; a revision is never changed or removed once it is written."""

    revision: int = Field(ge=1)
    name: str
    sha256: str = Field(description="SHA-256 of the file.")
    voxel_sha256: str | None = Field(default=None, description="SHA-256 over shape and values.")
    reviewed_slices: tuple[int, ...] | None = Field(
        default=None, description="Slices (k, ascending) a person vouches for; null: all. Only these train as labeled."
    )
    table_values: tuple[int, ...] = Field(
        default=(), description="Values the label table had when it was accepted; it says nothing about later labels."
    )
    edits: Edits | None = Field(default=None, description="null: the model's proposal is not known.")
    provenance: Provenance


class CaseRecord(Document):
    """``case.json``: everything known about one scan."""

    format_version: Literal[1] = 1
    case_id: str = Field(pattern=CASE_ID_PATTERN)
    patient_id: str = Field(
        pattern=PATIENT_ID_PATTERN, description="Random key shared by all scans of one patient, so they share a split."
    )
    state: CaseState
    split: Split
    is_split_chosen: bool = Field(
        default=True, description="The user gave the split; otherwise every fifth labeled patient is held out."
    )
    held_out_as: int | None = Field(
        default=None, ge=1, description="The patient was the n-th labeled one when the project held it out."
    )
    geometry: Geometry
    image: ImageFile
    labels: tuple[LabelRevision, ...] = ()
    trained_revision: int | None = Field(default=None, ge=1, description="Latest revision a finished run used.")
    trained_run: str | None = Field(default=None, description="That run.")
    provenance: Provenance

    @property
    def is_labeled(self) -> bool:
        """Whether at least one label revision was accepted."""
        return bool(self.labels)

    @property
    def latest_label(self) -> LabelRevision | None:
        """The label revision that counts."""
        return self.labels[-1] if self.labels else None

    def unjudged_values(self, table: LabelTable) -> tuple[int, ...]:
        """Return the label values of ``table`` that were added after the latest label map was accepted."""
        latest = self.latest_label
        if latest is None or not latest.table_values:
            return ()
        return tuple(value for value in table.values if value not in latest.table_values)


ChoiceT = TypeVar("ChoiceT", bound=StrEnum)


def parse_choice(cls: type[ChoiceT], text: ChoiceT | str | None) -> ChoiceT | None:
    """Return a state or split given by its name; None stays None.

    Raises:
        ProjectError: There is no such choice.
    """
    try:
        return None if text is None else cls(text)
    except ValueError as exc:
        what = "split" if cls is Split else "state"
        msg = f"The {what} '{text}' is not known; choose one of {', '.join(cls)}."
        raise ProjectError(msg) from exc


def make_id(prefix: str) -> str:
    """Return a random id such as ``case-0f3a9c12de``; ids say nothing about the patient."""
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def label_name(revision: int) -> str:
    """Return the file name of a label revision."""
    return f"label.r{revision:04d}.nii.gz"


def edits_name(revision: int) -> str:
    """Return the file name of the changed voxels of a label revision."""
    return f"edits.r{revision:04d}.nii.gz"
