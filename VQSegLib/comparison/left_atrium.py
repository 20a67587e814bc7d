"""Reader of the left-atrium MRI of UA-MT's repository: ``<case>/mri_norm2.h5``, ``train.list`` and ``test.list``.

80 training and 20 test scans of the 2018 Atrial Segmentation Challenge (Xiong et al., MedIA 2020), z-scored, cropped
with the help of the labels. The first cases of ``train.list`` are the labeled ones; the last weights of a run are kept,
because there is no validation set; windows move by 18 x 18 x 4 voxels and distances are in voxels, as in all papers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from VQSegLib.comparison.array_cases import ArrayCases
from VQSegLib.comparison.data import BenchmarkData
from VQSegLib.errors import UserError
from VQSegLib.labels import Label, LabelTable
from VQSegLib.project.cases import Split
from VQSegLib.volume import Array

FILE_NAME = "mri_norm2.h5"
_LISTS = {"train.list": Split.TRAIN, "test.list": Split.TEST}
_SPACING_MM = 0.625
_ATRIUM = LabelTable(labels=(Label(value=1, name="Left atrium", color=(230, 60, 60)),))
_NOTE = "Scans are cropped with the help of the labels, so figures are optimistic; last weights, no validation set."
# The window and its scaling cancel: the network sees the z-scores as they are, cut off at -10 and 30.
_WINDOW = (-10.0, 30.0)
_DEFAULTS = {
    "network": {"spatial_dims": 3, "encoder": {"kind": "vnet"}, "quantizer": {"codebook_size": 1024, "code_dim": 64}},
    "preprocessing": {"mean": [0.25], "std": [0.025], "patch_size": [80, 112, 112]},
    "data": {"patch_size": [80, 112, 112], "batch_labeled": 2, "batch_unlabeled": 2, "foreground_probability": 0},
}


def is_left_atrium(path: Path) -> bool:
    """Return whether a folder holds the lists of the data set."""
    return all((path / name).is_file() for name in _LISTS)


def open_left_atrium(path: Path) -> BenchmarkData:
    """Open the folder that holds ``train.list``, ``test.list`` and, at any depth, one folder per case.

    Raises:
        UserError: A case or the reader of HDF5 files is missing.
    """
    files = {file.parent.name: file for file in sorted(path.rglob(FILE_NAME))}
    splits: dict[str, Split] = {}
    for name, split in _LISTS.items():
        text = (path / name).read_text(encoding="utf-8")
        splits |= {line.strip(): split for line in text.splitlines() if line.strip()}
    missing = [key for key in splits if key not in files]
    if missing:
        msg = f"'{path}' lacks {FILE_NAME} of {len(missing)} listed cases, first '{missing[0]}'; fetch the data again."
        raise UserError(msg)
    source = ArrayCases(path, _ATRIUM, lambda key: _read(files[key]), splits, _SPACING_MM)
    return BenchmarkData(
        name="left-atrium",
        source=source,
        train=tuple(record for record in source.cases() if record.split == Split.TRAIN),
        unlabeled=(),
        validation=(),
        test=tuple(record for record in source.cases() if record.split == Split.TEST),
        slices=False,
        unit="voxel",
        stride=(4, 18, 18),
        window=_WINDOW,
        defaults=_DEFAULTS,
        note=_NOTE,
    )


def _read(file: Path) -> tuple[Array, Array]:
    """Return image and label map with the slice axis, the file's last, in front."""
    try:
        import h5py
    except ImportError as exc:
        msg = "Left-atrium files need the package h5py; install it with `pip install h5py`."
        raise UserError(msg) from exc
    try:
        with h5py.File(file) as content:
            image, label = np.asarray(content["image"], np.float32), np.asarray(content["label"], np.uint8)
    except (OSError, KeyError) as exc:
        msg = f"'{file}' is no left-atrium case (arrays 'image' and 'label' in HDF5); fetch it again."
        raise UserError(msg) from exc
    return np.ascontiguousarray(image.transpose(2, 1, 0)), np.ascontiguousarray(label.transpose(2, 1, 0))
