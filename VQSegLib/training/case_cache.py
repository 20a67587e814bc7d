"""Cases brought to the model's grid once and memory-mapped afterwards.

Memory is bounded by patches, not by the number of scans: arrays stay on disk and only what a patch touches is read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from VQSegLib.atomic_files import written_atomically
from VQSegLib.inference.preprocessing import prepare_case
from VQSegLib.labels import LabelTable
from VQSegLib.models.config import PreprocessingConfig
from VQSegLib.project.cases import CaseRecord
from VQSegLib.training.case_source import CaseSource
from VQSegLib.volume import Array

_log = logging.getLogger(__name__)
Slices = tuple[slice, slice, slice]
_FOREGROUND_VOXELS = 2000
"""Positions kept per class as possible patch centres."""


@dataclass(frozen=True)
class CachedCase:
    """A case on disk, on the model's grid, cropped to the body.

    Attributes:
        image_path: ``(K, J, I)`` int16 or float32 HU (``.npy``).
        target_path: ``(K, J, I)`` uint8 class (``.npy``); None for an unlabeled case.
        foreground_path: ``(n, 4)`` int32 rows of class, k, j, i (``.npy``); None for an unlabeled case.
    """

    image_path: Path
    target_path: Path | None
    foreground_path: Path | None

    def image(self) -> Array:
        """Return the memory-mapped image."""
        array: Array = np.load(self.image_path, mmap_mode="r")
        return array

    def target(self) -> Array:
        """Return the memory-mapped classes of a labeled case."""
        array: Array = np.load(self.target_path or "", mmap_mode="r")
        return array

    def foreground(self) -> Array:
        """Return class and position of sampled foreground voxels."""
        array: Array = np.load(self.foreground_path or "")
        return array


def cache_cases(
    project: CaseSource,
    records: Iterable[CaseRecord],
    preprocessing: PreprocessingConfig,
    folder: Path,
    on_case: Callable[[int], None] | None = None,
) -> list[CachedCase]:
    """Prepare each case once into ``folder``; cases already there are used as they are.

    Args:
        project: CaseSource the cases belong to.
        records: Cases.
        preprocessing: Grid and body crop.
        folder: Cache folder; safe to delete at any time.
        on_case: Called with the number of cases done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cached = []
    for count, record in enumerate(records, start=1):
        cached.append(_cache_case(project, record, preprocessing, folder))
        if on_case is not None:
            on_case(count)
    return cached


def _cache_case(
    project: CaseSource, record: CaseRecord, preprocessing: PreprocessingConfig, folder: Path
) -> CachedCase:
    key = sha256(f"{preprocessing.model_dump_json()}{record.model_dump_json()}".encode()).hexdigest()[:20]
    labeled = record.is_labeled
    case = CachedCase(
        folder / f"{key}.image.npy",
        folder / f"{key}.target.npy" if labeled else None,
        folder / f"{key}.foreground.npy" if labeled else None,
    )
    # The image is written last, so its presence says that the case is whole.
    if case.image_path.exists():
        return case
    label = project.load_label(record.case_id) if labeled else None
    prepared = prepare_case(project.load_image(record.case_id), label, preprocessing)
    inside = prepared.body.slices
    if prepared.label is not None and case.target_path and case.foreground_path:
        target = values_to_classes(prepared.label, project.labels)
        inside = _union(inside, target)
        _save(case.target_path, target[inside])
        _save(case.foreground_path, _sample_foreground(target[inside], key))
    _save(case.image_path, prepared.image_hu[inside])
    return case


def values_to_classes(label_map: Array, labels: LabelTable) -> Array:
    """Return uint8 classes (0 = background) of a map of label values."""
    lookup = np.zeros(256, dtype=np.uint8)
    for index, value in enumerate(labels.values, start=1):
        lookup[value] = index
    classes: Array = lookup[label_map.astype(np.uint8)]
    return classes


def _union(inside: Slices, target: Array) -> Slices:
    """Grow the body box to hold every labeled voxel: a label outside the body crop must not be lost."""
    found = np.argwhere(target)
    if not len(found):
        return inside
    low, high = found.min(0), found.max(0) + 1
    k, j, i = (
        slice(min(part.start, int(a)), max(part.stop, int(b))) for part, a, b in zip(inside, low, high, strict=True)
    )
    return k, j, i


def _sample_foreground(target: Array, key: str) -> Array:
    rng = np.random.default_rng(int(key, 16) % 2**32)
    rows = [np.empty((0, 4), dtype=np.int32)]
    for index in np.unique(target[target > 0]):
        found = np.argwhere(target == index)
        chosen = found[rng.permutation(len(found))[:_FOREGROUND_VOXELS]]
        rows.append(np.column_stack([np.full(len(chosen), index), chosen]).astype(np.int32))
    return np.concatenate(rows)


def _save(path: Path, array: Array) -> None:
    with written_atomically(path, ".npy") as temporary:
        np.save(temporary, np.ascontiguousarray(array))
