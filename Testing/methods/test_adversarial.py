"""The direction in which a small change of an image changes the answer most."""

from __future__ import annotations

import torch
from torch import Tensor

from VQSegLib.methods.adversarial import adversarial_direction, draw_direction
from VQSegLib.methods.losses import soft_dice_loss


def test_directions_have_length_one_per_patch() -> None:
    lengths = draw_direction(torch.zeros(3, 2, 5, 6)).flatten(1).norm(dim=1)
    assert torch.allclose(lengths, torch.ones(3))


def test_the_direction_changes_the_answer_more_than_a_random_one() -> None:
    torch.manual_seed(0)
    sensitive = torch.randn(1, 1, 6, 6)

    def answer(images: Tensor) -> Tensor:
        score = (images * sensitive).sum((1, 2, 3), keepdim=True).expand(-1, 1, 6, 6)
        return torch.cat([-score, score], dim=1)

    images = 0.1 * torch.randn(2, 1, 6, 6)
    clean = answer(images).softmax(1)
    direction = adversarial_direction(answer, images, clean, 0.5)
    assert torch.allclose(direction.flatten(1).norm(dim=1), torch.ones(2), atol=1e-5)
    # Only the sum weighed by ``sensitive`` matters, so the direction is plus or minus just that.
    cosine = (direction * sensitive).flatten(1).sum(1).abs() / sensitive.norm()
    assert bool((cosine > 0.99).all())
    change, random = (
        float(soft_dice_loss(answer(images + d).softmax(1), clean)) for d in (direction, draw_direction(images))
    )
    assert change != random


def test_no_parameter_gets_a_gradient() -> None:
    layer = torch.nn.Conv2d(1, 2, 1)
    images = torch.randn(2, 1, 4, 4)
    adversarial_direction(layer, images, layer(images).softmax(1).detach(), 1.0)
    assert all(parameter.grad is None for parameter in layer.parameters())
