"""Two-stream batches: labeled and unlabeled patches, drawn by step number.

Every draw depends on seed, process rank and step alone. A resumed run therefore sees the batches that the
uninterrupted one would have seen, whatever the number of worker processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from VQSegLib.inference.preprocessing import normalize
from VQSegLib.labels import LabelTable
from VQSegLib.methods.base import Batch
from VQSegLib.training.augmentation import MARGIN, mirrored_classes, strong_view, weak_view
from VQSegLib.training.case_cache import CachedCase
from VQSegLib.training.config import TrainingConfig
from VQSegLib.volume import Array

_TISSUE_DRAWS = 10


@dataclass(frozen=True)
class BatchSource:
    """What batches are drawn from."""

    labeled: Sequence[CachedCase]
    unlabeled: Sequence[CachedCase]
    labels: LabelTable
    config: TrainingConfig
    rank: int = 0


class BatchDataset(Dataset[Batch]):
    """Item ``step`` is the whole batch of that training step."""

    def __init__(self, source: BatchSource) -> None:
        self.source = source
        self.mirror = mirrored_classes(source.labels)

    def __len__(self) -> int:
        return self.source.config.max_steps

    def __getitem__(self, step: int) -> Batch:
        config = self.source.config
        rng = np.random.default_rng([config.seed, self.source.rank, step])
        labeled = [self._labeled(rng) for _ in range(config.data.batch_labeled)]
        images, targets = (torch.stack(part) for part in zip(*labeled, strict=True))
        if not self.source.unlabeled:
            return Batch(images, targets)
        views = [self._unlabeled(rng) for _ in range(config.data.batch_unlabeled)]
        weak = torch.stack([view[0] for view in views])
        strong = torch.stack([torch.stack(view[1:]) for view in views], dim=1) if len(views[0]) > 1 else None
        return Batch(images, targets, weak, strong)

    def _labeled(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        case = self.source.labeled[rng.integers(len(self.source.labeled))]
        target = case.target()
        center = self._draw_center(case.image(), rng)
        if rng.random() < self.source.config.data.foreground_probability:
            center = _draw_foreground_center(case.foreground(), center, self.source.config.data.patch_size, rng)
        image = self._cut(case.image(), center)
        classes = torch.from_numpy(_cut_box(target, center, self._outer_size(), fill=0).astype(np.int64))
        if len(self.source.config.data.patch_size) == 2:
            classes = classes[classes.shape[0] // 2]
        view = weak_view(
            image, classes, self.source.config.data.patch_size, self.source.config.augmentation, self.mirror, rng
        )
        return view.image, classes if view.target is None else view.target

    def _unlabeled(self, rng: np.random.Generator) -> list[Tensor]:
        case = self.source.unlabeled[rng.integers(len(self.source.unlabeled))]
        image = case.image()
        patch = self._cut(image, self._draw_center(image, rng))
        config = self.source.config
        weak = weak_view(patch, None, config.data.patch_size, config.augmentation, self.mirror, rng).image
        return [weak, *(strong_view(weak, config.augmentation, rng) for _ in range(config.method.strong_views))]

    def _draw_center(self, image: Array, rng: np.random.Generator) -> Array:
        """Return a random patch centre, inside the body where the body is known: patches of air teach little."""
        threshold = self.source.config.preprocessing.body_threshold_hu
        center = _draw_center(image.shape, self._outer_size(), rng)
        for _ in range(_TISSUE_DRAWS):
            if threshold is None or image[tuple(center)] > threshold:
                break
            center = _draw_center(image.shape, self._outer_size(), rng)
        return center

    def _outer_size(self) -> tuple[int, int, int]:
        """Size of the box cut from a volume: larger than the patch; in 2-D as many slices as input channels."""
        size = tuple(round(side * MARGIN) for side in self.source.config.data.patch_size)
        return size if len(size) == 3 else (input_slices(self.source.config), *size)

    def _cut(self, image: Array, center: Array) -> Tensor:
        """Return the normalized box as ``(C, *spatial)``."""
        preprocessing = self.source.config.preprocessing
        return to_network_input(
            _cut_box(image, center, self._outer_size(), fill=preprocessing.window_low), self.source.config
        )


def input_slices(config: TrainingConfig) -> int:
    """Return how many neighbouring slices a 2-D network sees; three means repeat one slice as RGB."""
    return 1 if len(config.preprocessing.mean) > 1 else config.network.in_channels


def to_network_input(box_hu: Array, config: TrainingConfig) -> Tensor:
    """Return ``(C, *spatial)`` network input of a ``(K, J, I)`` box of HU."""
    image = torch.from_numpy(normalize(box_hu, config.preprocessing))
    if config.network.spatial_dims == 3:
        return image
    # Either (1, slices, J, I) or, with three means, (3, 1, J, I).
    return image.flatten(0, 1)


def build_loader(source: BatchSource, first_step: int) -> DataLoader[Batch]:
    """Return a loader of the batches of ``first_step`` and all later steps."""
    config = source.config
    return DataLoader(
        BatchDataset(source),
        batch_size=None,
        sampler=range(first_step, config.max_steps),
        num_workers=config.data.workers,
        prefetch_factor=4 if config.data.workers else None,
        multiprocessing_context="spawn" if config.data.workers else None,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_use_one_thread,
    )


def _use_one_thread(worker: int) -> None:
    """Leave the other cores to the training process."""
    del worker
    torch.set_num_threads(1)


def _draw_center(shape: Sequence[int], size: Sequence[int], rng: np.random.Generator) -> Array:
    """Return a random centre whose un-enlarged patch stays inside where it fits."""
    half = [min(side, round(part / MARGIN)) // 2 for side, part in zip(shape, size, strict=True)]
    return np.array([rng.integers(h, max(h + 1, side - h + 1)) for side, h in zip(shape, half, strict=True)])


def _draw_foreground_center(
    foreground: Array, center: Array, patch_size: tuple[int, ...], rng: np.random.Generator
) -> Array:
    """Return a position near a voxel of a class drawn uniformly; ``center`` when the case shows no label."""
    classes = np.unique(foreground[:, 0])
    if not len(classes):
        return center
    rows = foreground[foreground[:, 0] == rng.choice(classes), 1:]
    reach = np.array([side // 6 for side in patch_size])
    if len(reach) == 2:
        reach = np.array([0, *reach])
    chosen: Array = rows[rng.integers(len(rows))] + rng.integers(-reach, reach + 1)
    return chosen


def _cut_box(array: Array, center: Array, size: Sequence[int], fill: float) -> Array:
    """Return the box of ``size`` around ``center``, filled where it leaves the array."""
    box = np.full(size, fill, dtype=array.dtype)
    start = np.asarray(center) - np.asarray(size) // 2
    low, high = np.maximum(start, 0), np.minimum(start + size, array.shape)
    if np.all(high > low):
        inside = tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))
        box[inside] = array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return box
