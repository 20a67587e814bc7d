"""Two-stream batches: labeled and unlabeled patches, drawn by step number.

Every draw depends on seed, process rank and step alone. A resumed run therefore sees the batches that the
uninterrupted one would have seen, whatever the number of worker processes.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from VQSegLib.labels import LabelTable
from VQSegLib.methods.base import Batch
from VQSegLib.training.augmentation import strong_view, weak_view
from VQSegLib.training.case_cache import CachedCase
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.mirroring import mirrored_classes
from VQSegLib.training.patches import PatchCutter


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
        self.cutter = PatchCutter(source.config)
        self.mirror = mirrored_classes(source.labels)

    def __len__(self) -> int:
        return self.source.config.max_steps

    def __getitem__(self, step: int) -> Batch:
        config = self.source.config
        rng = np.random.default_rng([config.seed, self.source.rank, step])
        labeled = [self._labeled(rng) for _ in range(config.data.batch_labeled)]
        images, targets = (torch.stack([part[index] for part in labeled]) for index in range(2))
        labeled_strong = None
        if config.method.labeled_strong_view:
            labeled_strong = torch.stack([strong_view(image, config.augmentation, rng) for image, _ in labeled])
        if not self.source.unlabeled or not config.method.needs_unlabeled(step, config.max_steps):
            return Batch(images, targets, labeled_strong=labeled_strong)
        views = [self._unlabeled(rng) for _ in range(config.data.batch_unlabeled)]
        weak = torch.stack([view[0] for view in views])
        strong = torch.stack([torch.stack(view[1:]) for view in views], dim=1) if len(views[0]) > 1 else None
        return Batch(images, targets, weak, strong, labeled_strong)

    def _labeled(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        config = self.source.config
        case = _draw_case(self.source.labeled, rng)
        image_hu = case.image()
        center = self.cutter.draw_center(image_hu, rng)
        center = self.cutter.draw_labeled_center(case.centers(), center, rng)
        image, classes = self.cutter.cut_image(image_hu, center), self.cutter.cut_target(case.target(), center)
        view = weak_view(image, classes, config.data.patch_size, config.augmentation, self.mirror, rng)
        patch = view.image
        if config.augmentation.labeled_intensity and rng.random() < config.augmentation.labeled_intensity:
            patch = strong_view(patch, config.augmentation, rng)
        return patch, classes if view.target is None else view.target

    def _unlabeled(self, rng: np.random.Generator) -> list[Tensor]:
        config = self.source.config
        image = _draw_case(self.source.unlabeled, rng).image()
        patch = self.cutter.cut_image(image, self.cutter.draw_center(image, rng))
        weak = weak_view(patch, None, config.data.patch_size, config.augmentation, self.mirror, rng).image
        return [weak, *(strong_view(weak, config.augmentation, rng) for _ in range(config.method.strong_views))]


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
        worker_init_fn=_prepare_worker,
    )


def _draw_case(cases: Sequence[CachedCase], rng: np.random.Generator) -> CachedCase:
    return cases[int(rng.integers(len(cases)))]


def _prepare_worker(worker: int) -> None:
    """Leave the other cores to the training process, and Ctrl-C, which a terminal sends to every process, too."""
    del worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
