"""Virtual adversarial direction of an image (Miyato et al., arXiv 1704.03976), as SS-Net uses it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from VQSegLib.methods.losses import soft_dice_loss


def draw_direction(images: Tensor) -> Tensor:
    """Return random directions ``(B, C, *spatial)`` of length 1 per patch."""
    return _normalize(torch.rand_like(images) - 0.5)


def adversarial_direction(answer: Callable[[Tensor], Tensor], images: Tensor, clean: Tensor, probe: float) -> Tensor:
    """Return the direction of length 1 per patch that changes the answer most, by one step of power iteration.

    Args:
        answer: From images to logits ``(B, classes, *spatial)``.
        images: ``(B, C, *spatial)``.
        clean: Probabilities for the images as they are.
        probe: Length of the random step whose gradient gives the direction.
    """
    direction = draw_direction(images).requires_grad_()
    change = soft_dice_loss(answer(images + probe * direction).float().softmax(1), clean)
    (gradient,) = torch.autograd.grad(change, direction)
    return _normalize(gradient)


def _normalize(directions: Tensor) -> Tensor:
    length = directions.flatten(1).norm(dim=1).clamp_min(1e-8)
    scaled: Tensor = directions / length.reshape(-1, *(1 for _ in directions.shape[1:]))
    return scaled
