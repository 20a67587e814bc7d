"""Cases of published data sets, read from arrays instead of a project folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from VQSegLib.labels import LabelTable
from VQSegLib.project.cases import (
    CaseRecord,
    CaseState,
    Geometry,
    ImageFile,
    LabelRevision,
    Provenance,
    Split,
    label_name,
)
from VQSegLib.project.hashes import hash_voxels
from VQSegLib.volume import Array, Volume

_PROVENANCE = Provenance(created="", software="benchmark reader")
Reader = Callable[[str], tuple[Array, Array]]
"""From a key to image and label map, ``(K, J, I)``."""


class ArrayCases:
    """Cases under keys of their data set; looks like a project to trainer and predictor.

    Args:
        path: Where the data lie, for messages.
        labels: What the label values mean.
        read: Reads one case.
        splits: Key to split, in the order of the data set.
        spacing_mm: Distance of voxels, the same along every axis.

    Attributes:
        records: Key to record, in the same order.
    """

    def __init__(
        self, path: Path, labels: LabelTable, read: Reader, splits: Mapping[str, Split], spacing_mm: float = 1.0
    ) -> None:
        self.path = path
        self.labels = labels
        self._read = read
        # Canonical axes (LPS), so that nothing is turned.
        self._affine = np.diag([-spacing_mm, -spacing_mm, spacing_mm, 1.0])
        self._keys = {_case_id(key): key for key in splits}
        self.records = {key: self._record(key, split) for key, split in splits.items()}

    def cases(self) -> list[CaseRecord]:
        """Return all cases in the order of the data set."""
        return list(self.records.values())

    def load_image(self, case_id: str) -> Volume:
        """Load the image of a case."""
        return Volume(self._read(self._keys[case_id])[0], self._affine)

    def load_label(self, case_id: str, revision: int | None = None) -> Volume:
        """Load the label map of a case; there is one revision of each."""
        del revision
        return Volume(self._read(self._keys[case_id])[1], self._affine)

    def _record(self, key: str, split: Split) -> CaseRecord:
        image, label = self._read(key)
        voxels = hash_voxels(image)
        revision = LabelRevision(revision=1, name=label_name(1), sha256=hash_voxels(label), provenance=_PROVENANCE)
        return CaseRecord(
            case_id=_case_id(key),
            patient_id=_case_id(key).replace("case", "patient"),
            state=CaseState.QUEUED,
            split=split,
            geometry=Geometry.of(Volume(image, self._affine)),
            image=ImageFile(sha256=voxels, voxel_sha256=voxels),
            labels=(revision,),
            provenance=_PROVENANCE,
        )


def _case_id(key: str) -> str:
    return f"case-{hashlib.sha256(key.encode()).hexdigest()[:10]}"
