"""Cases brought to the model's grid once and memory-mapped afterwards.

Memory is bounded by patches, not by the number of scans: arrays stay on disk and only what a patch touches is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from VQSegLib.atomic_files import written_atomically
from VQSegLib.inference.preprocessing import PreparedCase, prepare_case
from VQSegLib.labels import LabelTable
from VQSegLib.methods.base import IGNORED
from VQSegLib.models.config import PreprocessingConfig
from VQSegLib.project.cases import CaseRecord
from VQSegLib.training.case_source import CaseSource
from VQSegLib.training.targets import build_target
from VQSegLib.volume import Array

Slices = tuple[slice, slice, slice]
ANYWHERE = -1
"""In place of a class: any judged voxel of a case that is judged only in part."""
_SAMPLED_VOXELS = 2000
"""Positions kept per class as possible patch centres."""


@dataclass(frozen=True)
class CachedCase:
    """A case on disk, on the model's grid, cropped to the body.

    Attributes:
        image_path: ``(K, J, I)`` int16 or float32 HU (``.npy``).
        target_path: ``(K, J, I)`` int16 class or ``IGNORED`` (``.npy``); None for an unlabeled case.
        centers_path: ``(n, 4)`` int32 rows of class, k, j, i (``.npy``), the class :data:`ANYWHERE` only where a part
            of the case is ignored; None for an unlabeled case.
    """

    image_path: Path
    target_path: Path | None
    centers_path: Path | None

    def image(self) -> Array:
        """Return the memory-mapped image."""
        array: Array = np.load(self.image_path, mmap_mode="r")
        return array

    def target(self) -> Array:
        """Return the memory-mapped classes of a labeled case."""
        array: Array = np.load(self.target_path or "", mmap_mode="r")
        return array

    def centers(self) -> Array:
        """Return class and position of sampled voxels."""
        array: Array = np.load(self.centers_path or "")
        return array


def cache_cases(
    project: CaseSource,
    records: Iterable[CaseRecord],
    labels: LabelTable,
    preprocessing: PreprocessingConfig,
    folder: Path,
    on_case: Callable[[int], None] | None = None,
) -> list[CachedCase]:
    """Prepare each case once into ``folder``; cases already there are used as they are.

    Args:
        project: Project the cases belong to.
        records: Cases; the latest label map of each is used.
        labels: What the classes mean.
        preprocessing: Grid and body crop.
        folder: Cache folder; safe to delete at any time.
        on_case: Called with the number of cases done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cached = []
    for count, record in enumerate(records, start=1):
        cached.append(_cache_case(project, record, labels, preprocessing, folder))
        if on_case is not None:
            on_case(count)
    return cached


def _cache_case(
    project: CaseSource, record: CaseRecord, labels: LabelTable, preprocessing: PreprocessingConfig, folder: Path
) -> CachedCase:
    key = _make_key(record, labels, preprocessing)
    revision = record.latest_label
    case = CachedCase(
        folder / f"{key}.image.npy",
        folder / f"{key}.target.npy" if revision else None,
        folder / f"{key}.centers.npy" if revision else None,
    )
    # The image is written last, so its presence says that the case is whole.
    if case.image_path.exists():
        return case
    target = None
    if revision is not None:
        label = project.load_label(record.case_id, revision.revision)
        target = build_target(label, labels, revision.reviewed_slices, record.unjudged_values(labels))
    prepared = prepare_case(project.load_image(record.case_id), target, preprocessing)
    _save_case(case, prepared, np.random.default_rng(int(record.image.voxel_sha256[:16], 16)))
    return case


def _make_key(record: CaseRecord, labels: LabelTable, preprocessing: PreprocessingConfig) -> str:
    """Return a name for what the arrays of a case depend on."""
    revision = record.latest_label
    label = "" if revision is None else f"{revision.model_dump_json()}{labels.values}"
    content = f"{preprocessing.model_dump_json()}{record.image.sha256}{label}"
    return sha256(content.encode()).hexdigest()[:20]


def _save_case(case: CachedCase, prepared: PreparedCase, rng: np.random.Generator) -> None:
    inside = prepared.body.slices
    if prepared.label is not None and case.target_path and case.centers_path:
        inside = _union(inside, prepared.label)
        target = prepared.label[inside]
        _save(case.target_path, target)
        _save(case.centers_path, _sample_centers(target, rng))
    _save(case.image_path, prepared.image_hu[inside])


def _union(inside: Slices, target: Array) -> Slices:
    """Grow the body box to hold every labeled voxel: a label outside the body crop must not be lost."""
    found = np.argwhere(target > 0)
    if not len(found):
        return inside
    low, high = found.min(0), found.max(0) + 1
    k, j, i = (
        slice(min(part.start, int(a)), max(part.stop, int(b))) for part, a, b in zip(inside, low, high, strict=True)
    )
    return k, j, i


def _sample_centers(target: Array, rng: np.random.Generator) -> Array:
    """Return rows of class and position; ``ANYWHERE`` rows only if a part of the case is ignored."""
    rows = [np.empty((0, 4), dtype=np.int32)]
    rows += [_sample(target == index, int(index), rng) for index in np.unique(target[target > 0])]
    if (target == IGNORED).any():
        rows.append(_sample(target != IGNORED, ANYWHERE, rng))
    return np.concatenate(rows)


def _sample(mask: Array, index: int, rng: np.random.Generator) -> Array:
    found = np.argwhere(mask)
    chosen = found[rng.permutation(len(found))[:_SAMPLED_VOXELS]]
    return np.column_stack([np.full(len(chosen), index), chosen]).astype(np.int32)


def _save(path: Path, array: Array) -> None:
    with written_atomically(path, ".npy") as temporary:
        np.save(temporary, np.ascontiguousarray(array))
