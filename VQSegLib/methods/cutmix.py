"""CutMix boxes between the unlabeled patches of a batch (arXiv 1905.04899; settings of UniMatch, arXiv 2208.09910)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

AREA = (0.02, 0.4)
"""Smallest and largest share of a patch that a box covers."""
PROBABILITY = 0.5


def draw_boxes(batch: int, spatial: Sequence[int], generator: torch.Generator, device: torch.device) -> Tensor:
    """Return ``(batch, *spatial)`` bool: inside the box of each sample; half of the samples get none."""
    inside = torch.zeros((batch, *spatial), dtype=torch.bool, device=device)
    draws = torch.rand((batch, 2 + len(spatial) * 2), generator=generator, device=device).tolist()
    for sample, (use, share, *rest) in enumerate(draws):
        if use >= PROBABILITY:
            continue
        side = (AREA[0] + share * (AREA[1] - AREA[0])) ** (1 / len(spatial))
        slices = []
        for length, stretch, place in zip(spatial, rest[::2], rest[1::2], strict=True):
            size = min(length, max(1, round(length * side * (0.7 + 0.6 * stretch))))
            start = int(place * (length - size + 1))
            slices.append(slice(start, start + size))
        inside[(sample, *slices)] = True
    return inside


def paste(inside: Tensor, values: Tensor, others: Tensor) -> Tensor:
    """Return ``values`` with ``others`` inside the boxes; both ``(B, *spatial)`` or ``(B, C, *spatial)``."""
    mask = inside if values.ndim == inside.ndim else inside.unsqueeze(1)
    return torch.where(mask, others, values)
