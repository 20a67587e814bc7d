"""Where patches lie in a case, and cutting them; arrays are ``(K, J, I)`` on the model's grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from VQSegLib.box import Triple
from VQSegLib.inference.preprocessing import normalize
from VQSegLib.inference.window_reader import neighbor_indices
from VQSegLib.training.case_cache import ANYWHERE
from VQSegLib.training.config import TrainingConfig
from VQSegLib.volume import Array

_MARGIN = 0.2
"""Patches are cut larger by this share on each side, so that turning draws real voxels into the corners."""

_TISSUE_DRAWS = 10


class PatchCutter:
    """Cuts patches, enlarged for the augmentation, out of images and targets.

    Attributes:
        patch_kji: Size of a patch; one slice in 2-D.
        outer_kji: Size of what is cut: larger along the axes that the augmentation turns.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        sides = config.data.patch_size
        # Twice a whole number keeps the parity, so that a patch that is not turned lies on voxels, not between them.
        outer = tuple(side + 2 * round(side * _MARGIN) for side in sides)
        self.is_2d = len(sides) == 2
        self.patch_kji: Triple = (1, sides[0], sides[1]) if len(sides) == 2 else (sides[0], sides[1], sides[2])
        self.outer_kji: Triple = (1, outer[0], outer[1]) if len(outer) == 2 else (outer[0], outer[1], outer[2])

    def draw_center(self, image_hu: Array, rng: np.random.Generator) -> Array:
        """Return a random centre, inside the body where the body is known: patches of air teach little."""
        threshold = self.config.preprocessing.body_threshold_hu
        center = self._draw_anywhere(image_hu.shape, rng)
        for _ in range(_TISSUE_DRAWS):
            if threshold is None or image_hu[tuple(center)] > threshold:
                break
            center = self._draw_anywhere(image_hu.shape, rng)
        return center

    def _draw_anywhere(self, shape_kji: Sequence[int], rng: np.random.Generator) -> Array:
        """Return a random centre whose patch stays inside along every axis that is long enough."""
        center = []
        for side, part in zip(shape_kji, self.patch_kji, strict=True):
            inside = min(side, part)
            before = inside // 2
            center.append(rng.integers(before, side - (inside - before) + 1))
        return np.array(center)

    def draw_labeled_center(self, centers: Array, otherwise: Array, rng: np.random.Generator) -> Array:
        """Return a position near a voxel of a class drawn uniformly, or anywhere a person judged.

        Args:
            centers: ``(n, 4)`` rows of class, k, j, i (:attr:`.CachedCase.centers_path`).
            otherwise: Position anywhere in the case.
            rng: Source of randomness.
        """
        wanted = ANYWHERE
        if rng.random() < self.config.data.foreground_probability:
            classes = np.unique(centers[centers[:, 0] > 0, 0])
            wanted = rng.choice(classes) if len(classes) else ANYWHERE
        rows = centers[centers[:, 0] == wanted, 1:]
        if not len(rows):
            return otherwise
        reach = np.array(self.patch_kji) // 6
        chosen: Array = rows[rng.integers(len(rows))] + rng.integers(-reach, reach + 1)
        return chosen

    def cut_image(self, image_hu: Array, center: Array) -> Tensor:
        """Return the network input ``(C, *outer)`` around ``center``; air where it leaves the image."""
        preprocessing, low = self.config.preprocessing, self.config.preprocessing.window_low
        if not self.is_2d:
            return torch.from_numpy(normalize(cut_box(image_hu, center, self.outer_kji, low), preprocessing))
        # As in inference: neighbouring slices are channels (the edge is repeated), or three means repeat one slice.
        neighbors = 1 if len(preprocessing.mean) > 1 else self.config.network.in_channels
        slices = neighbor_indices(int(center[0]), image_hu.shape[0], neighbors)
        box = np.concatenate([cut_box(image_hu, np.array([k, *center[1:]]), self.outer_kji, low) for k in slices])
        return torch.from_numpy(normalize(box, preprocessing)).flatten(0, 1)

    def cut_target(self, target: Array, center: Array) -> Tensor:
        """Return int64 classes ``(*outer)`` around ``center``; background where it leaves the case."""
        classes = torch.from_numpy(cut_box(target, center, self.outer_kji, 0).astype(np.int64))
        return classes[0] if self.is_2d else classes


def cut_box(array: Array, center: Array, size_kji: Triple, fill: float) -> Array:
    """Return the float32 box of ``size_kji`` around ``center``, filled where it leaves the array."""
    box = np.full(size_kji, fill, dtype=np.float32)
    start = np.asarray(center) - np.asarray(size_kji) // 2
    low, high = np.maximum(start, 0), np.minimum(start + size_kji, array.shape)
    if np.all(high > low):
        inside = tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))
        box[inside] = array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return box
