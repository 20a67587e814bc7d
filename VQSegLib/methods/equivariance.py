"""What moves in the image moves in the answer: equivariance under smooth random deformation (ARCO)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's usual name

_AFFINE = 0.15
"""Largest random change of an entry of the linear part, and of the shift in units of half a side."""
_BEND = 0.05
"""Standard deviation of the bend at the 4 control points per side, in units of half a side."""


def draw_deformation(images: Tensor) -> Tensor:
    """Return a sampling grid ``(B, *spatial, dims)``: a random affine map, bent smoothly as a thin plate would be."""
    dims, size = images.ndim - 2, images.shape[2:]
    linear = torch.eye(dims, dims + 1, device=images.device) + _AFFINE * (
        2 * torch.rand(len(images), dims, dims + 1, device=images.device) - 1
    )
    control = _BEND * torch.randn(len(images), dims, *(4 for _ in size), device=images.device)
    # Places need float32: with half the digits neighbouring voxels of a large patch would fall together.
    with torch.autocast(images.device.type, enabled=False):
        bend = F.interpolate(control, size, mode="bicubic" if dims == 2 else "trilinear", align_corners=True)
        return F.affine_grid(linear, [len(images), 1, *size], align_corners=False) + bend.movedim(1, -1)


def equivariance_loss(answer: Callable[[Tensor], Tensor], images: Tensor, logits: Tensor) -> Tensor:
    """Return the KL divergence between the moved answer and the answer to the moved image, mean over voxels.

    Args:
        answer: From images to logits.
        images: ``(B, C, *spatial)``.
        logits: Answer to ``images``; gets no gradient.
    """
    grid = draw_deformation(images)
    known = F.grid_sample(torch.ones_like(images[:, :1]), grid, align_corners=False)[:, 0] > 0.99
    expected = F.grid_sample(logits.detach().float().softmax(1), grid, align_corners=False).clamp_min(1e-6)
    found = answer(F.grid_sample(images, grid, align_corners=False)).float().log_softmax(1)
    divergence = (expected * (expected.log() - found)).sum(1)
    return (divergence * known).sum() / known.sum().clamp_min(1)
