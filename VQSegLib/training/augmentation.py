"""Weak (geometric) and strong (intensity) augmentation of patches, with MONAI transforms."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from monai.transforms.intensity.array import AdjustContrast, GaussianSmooth
from monai.transforms.spatial.array import Affine
from monai.utils.type_conversion import convert_to_tensor
from torch import Tensor

from VQSegLib.training.config import AugmentationConfig


class WeakView(NamedTuple):
    """Geometrically augmented patch: image ``(C, *spatial)`` and target ``(*spatial)`` or None."""

    image: Tensor
    target: Tensor | None


def weak_view(
    image: Tensor,
    target: Tensor | None,
    patch_size: tuple[int, ...],
    config: AugmentationConfig,
    mirror: tuple[int, ...] | None,
    rng: np.random.Generator,
) -> WeakView:
    """Rotate, scale and mirror a patch and its target alike.

    Args:
        image: ``(C, *larger)`` normalized intensities, cut larger than the patch and around the same centre.
        target: ``(*larger)`` int64 classes, or None.
        patch_size: Spatial size of the result.
        config: Ranges.
        mirror: Classes of a mirrored patient, see :mod:`VQSegLib.training.mirroring`; None forbids mirroring.
        rng: Source of randomness.
    """
    dims = len(patch_size)
    angles = np.radians(rng.uniform(-config.rotation_degrees, config.rotation_degrees, 1 if dims == 2 else 3))
    scale = rng.uniform(1 - config.scale, 1 + config.scale, dims)
    move = Affine(angles.tolist(), scale_params=scale.tolist(), spatial_size=patch_size, image_only=True)
    image = _plain(move(image, mode="bilinear", padding_mode="border")).float()
    if target is not None:
        moved = _plain(move(target.unsqueeze(0).float(), mode="nearest", padding_mode="border"))
        target = moved[0].round().long()
    if mirror is not None and config.mirror_left_right and rng.random() < 0.5:
        image = image.flip(-1)
        if target is not None:
            # Indexing with the ignored value (-1) reads the last entry, which is therefore the ignored value itself.
            target = torch.tensor([*mirror, -1])[target.flip(-1)]
    return WeakView(image.contiguous(), None if target is None else target.contiguous())


def strong_view(image: Tensor, config: AugmentationConfig, rng: np.random.Generator) -> Tensor:
    """Return a copy of ``image`` ``(C, *spatial)`` with changed brightness, contrast, gamma, blur and noise."""
    out = image.clone()
    if config.blur_voxels and rng.random() < 0.5:
        # The filter pads with zeros, so air (the lowest value) is moved to zero first: no grey frame.
        low = out.min()
        out = _plain(GaussianSmooth(rng.uniform(0.3, max(0.3, config.blur_voxels)))(out - low)) + low
    if config.contrast:
        mean = out.mean()
        out = (out - mean) * rng.uniform(1 - config.contrast, 1 + config.contrast) + mean
    if config.brightness:
        out = out + rng.uniform(-config.brightness, config.brightness) * out.std()
    if config.gamma and rng.random() < 0.5:
        out = _plain(AdjustContrast(gamma=rng.uniform(1 - config.gamma, 1 + config.gamma))(out))
    if config.noise:
        seed = int(rng.integers(2**31))
        noise = torch.randn(out.shape, generator=torch.Generator().manual_seed(seed))
        out = out + noise * rng.uniform(0, config.noise)
    return out.float().contiguous()


def _plain(image: object) -> Tensor:
    """Return MONAI's result without its meta data, which would travel through the network."""
    plain: Tensor = convert_to_tensor(image, track_meta=False)
    return plain
