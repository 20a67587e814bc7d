"""CutMix boxes between the unlabeled patches of a batch (arXiv 1905.04899; settings of UniMatch, arXiv 2208.09910)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

AREA = (0.02, 0.4)
"""Smallest and largest share of a patch that a box covers (a box cut off by the patch may be smaller)."""
_RATIO = 3.3
"""Largest ratio of two relative sides of a box."""
PROBABILITY = 0.5


def draw_boxes(batch: int, spatial: Sequence[int], device: torch.device) -> Tensor:
    """Return ``(batch, *spatial)`` bool: inside the box of each sample; half of the samples get none."""
    inside = torch.zeros((batch, *spatial), dtype=torch.bool, device=device)
    draws = torch.rand((batch, 2 + len(spatial) * 2), device=device).tolist()
    for sample, (use, share, *rest) in enumerate(draws):
        if use >= PROBABILITY:
            continue
        side = (AREA[0] + share * (AREA[1] - AREA[0])) ** (1 / len(spatial))
        mean_stretch = sum(rest[::2]) / len(spatial)
        box: list[slice] = []
        for length, stretch, place in zip(spatial, rest[::2], rest[1::2], strict=True):
            size = min(length, max(1, round(length * side * _RATIO ** (stretch - mean_stretch))))
            start = int(place * (length - size + 1))
            box.append(slice(start, start + size))
        inside[sample][tuple(box)] = True
    return inside


def paste(inside: Tensor, values: Tensor, others: Tensor) -> Tensor:
    """Return ``values`` with ``others`` inside the boxes; both ``(B, *spatial)`` or ``(B, C, *spatial)``."""
    mask = inside if values.ndim == inside.ndim else inside.unsqueeze(1)
    return torch.where(mask, others, values)
