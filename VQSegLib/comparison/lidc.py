"""Reader of ``lidc_slices.npz``: axial chest-CT crops around lung nodules of LIDC-IDRI (Armato et al., 2011).

A case is a patient with up to four slices, which are no volume. A voxel is lesion where two of four radiologists marked
it. Patients are split 70 / 10 / 20 at random, the same way every time.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from VQSegLib.comparison.array_cases import ArrayCases
from VQSegLib.comparison.data import BenchmarkData
from VQSegLib.errors import UserError
from VQSegLib.labels import Label, LabelTable
from VQSegLib.project.cases import Split
from VQSegLib.volume import Array

SUFFIX = ".npz"
_FIELDS = ("images", "patient", "votes")
_VOTES = 2
_SPLIT_SEED = 0
_SHARES = (0.7, 0.8)
_LESION = LabelTable(labels=(Label(value=1, name="Lesion", color=(230, 60, 60)),))
_NOTE = (
    "Crops are centred near the nodule, so position alone tells a lot; training crops at random, test slices are "
    "whole. Intensities are windowed to 8 bits in the source. Slices are scored in 2-D, distances in voxels."
)
_DEFAULTS = {
    "network": {"spatial_dims": 2, "encoder": {"kind": "unet"}, "quantizer": {"codebook_size": 1024, "code_dim": 64}},
    "preprocessing": {"mean": [0.5], "std": [0.25]},
    "data": {"patch_size": [96, 96], "batch_labeled": 4, "batch_unlabeled": 4},
}


def open_lidc(path: Path) -> BenchmarkData:
    """Open the archive.

    Raises:
        UserError: It cannot be read, or holds something else.
    """
    images, patients, votes = _load(path)
    rows = {str(patient): np.flatnonzero(patients == patient) for patient in np.unique(patients)}

    def read(patient: str) -> tuple[Array, Array]:
        return images[rows[patient]], (votes[rows[patient]] >= _VOTES).astype(np.uint8)

    source = ArrayCases(path, _LESION, read, _split(sorted(rows)))
    parts = {split: tuple(r for r in source.cases() if r.split == split) for split in Split}
    return BenchmarkData(
        name="lidc",
        source=source,
        train=parts[Split.TRAIN],
        unlabeled=(),
        validation=parts[Split.VALIDATION],
        test=parts[Split.TEST],
        slices=True,
        unit="voxel",
        stride=None,
        window=(0.0, 255.0),
        defaults=_DEFAULTS,
        note=_NOTE,
    )


def _split(patients: list[str]) -> dict[str, Split]:
    """Return the split of each patient in random order, which is also the order in which they get labels."""
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(patients))
    train, validation = (round(share * len(patients)) for share in _SHARES)
    return {
        patients[index]: Split.TRAIN if rank < train else Split.VALIDATION if rank < validation else Split.TEST
        for rank, index in enumerate(order)
    }


def _load(path: Path) -> tuple[Array, Array, Array]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in _FIELDS if name not in archive]
            if not missing:
                return archive["images"], archive["patient"], archive["votes"]
    except (OSError, ValueError, zipfile.BadZipFile) as exc:
        msg = f"The archive '{path}' cannot be read; give lidc_slices.npz as it was distributed."
        raise UserError(msg) from exc
    msg = f"The archive '{path}' has no array '{missing[0]}'; it needs {', '.join(_FIELDS)} as lidc_slices.npz has."
    raise UserError(msg)
