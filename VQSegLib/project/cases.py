"""One case of a project: the documents in ``case.json``."""

from __future__ import annotations

import hashlib
import uuid
from enum import StrEnum
from typing import Literal

import numpy as np
from pydantic import Field

from VQSegLib.documents import Document
from VQSegLib.volume import Array, Volume

IMAGE_NAME = "image.nii.gz"
RECORD_NAME = "case.json"
PATIENT_ID_PATTERN = r"^patient-[0-9a-f]{10}$"


class CaseState(StrEnum):
    """Where a case stands: no label, a label that waits for training, used by a finished run, or left out."""

    UNLABELED = "unlabeled"
    QUEUED = "queued"
    TRAINED = "trained"
    EXCLUDED = "excluded"


class Split(StrEnum):
    """What a case is used for; only ``train`` cases ever enter a loss."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


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

    created: str = Field(description="UTC time, ISO 8601.")
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


class LabelRevision(Document):
    """One accepted label map; a revision is never changed or removed once it is written."""

    revision: int = Field(ge=1)
    name: str
    sha256: str = Field(description="SHA-256 of the file.")
    provenance: Provenance


class CaseRecord(Document):
    """``case.json``: everything known about one scan."""

    format_version: Literal[1] = 1
    case_id: str = Field(pattern=r"^case-[0-9a-f]{10}$")
    patient_id: str = Field(
        pattern=PATIENT_ID_PATTERN, description="Random key shared by all scans of one patient, so they share a split."
    )
    state: CaseState
    split: Split
    geometry: Geometry
    image: ImageFile
    labels: tuple[LabelRevision, ...] = ()
    provenance: Provenance

    @property
    def is_labeled(self) -> bool:
        """Whether at least one label revision was accepted."""
        return bool(self.labels)


def make_id(prefix: str) -> str:
    """Return a random id such as ``case-0f3a9c12de``; ids say nothing about the patient."""
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def label_name(revision: int) -> str:
    """Return the file name of a label revision."""
    return f"label.r{revision:04d}.nii.gz"


def hash_voxels(array: Array) -> str:
    """Return the SHA-256 over shape and values of a ``(K, J, I)`` array, the same for every storage type.

    Values are compared as float32, which holds every CT value exactly, one slice at a time to bound the memory.
    """
    digest = hashlib.sha256(repr(tuple(array.shape)).encode())
    for plane in array:
        digest.update(np.ascontiguousarray(plane, dtype="<f4").tobytes())
    return digest.hexdigest()
