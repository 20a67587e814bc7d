"""Equivariance under smooth deformation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from VQSegLib.methods.equivariance import draw_deformation, equivariance_loss


def blobs(dims: int) -> Tensor:
    coarse = torch.randn(2, 1, *(3 for _ in range(dims)), generator=torch.Generator().manual_seed(0))
    mode = "bilinear" if dims == 2 else "trilinear"
    return torch.nn.functional.interpolate(coarse, scale_factor=6, mode=mode)


def voxelwise(images: Tensor) -> Tensor:
    return torch.cat([-images, images], dim=1)


def by_place(images: Tensor) -> Tensor:
    ramp = torch.linspace(-3, 3, images.shape[-1]).expand_as(images)
    return torch.cat([-ramp, ramp], dim=1)


@pytest.mark.parametrize("dims", [2, 3])
def test_an_answer_by_intensity_moves_with_the_image_and_one_by_place_does_not(dims: int) -> None:
    images = blobs(dims)
    losses = []
    for answer in (voxelwise, by_place):
        torch.manual_seed(0)
        losses.append(float(equivariance_loss(answer, images, answer(images))))
    assert losses[0] < 0.01
    assert losses[1] > 5 * losses[0]


def test_the_deformation_is_smooth_and_differs_between_patches() -> None:
    torch.manual_seed(0)
    grid = draw_deformation(torch.zeros(2, 1, 20, 20))
    assert grid.shape == (2, 20, 20, 2)
    assert not torch.allclose(grid[0], grid[1])
    assert float(grid.diff(dim=1).abs().max()) < 0.25, "neighbouring voxels stay neighbours"


def test_the_gradient_goes_to_the_answer_on_the_moved_image_only() -> None:
    images, logits = blobs(2), torch.zeros(2, 2, 18, 18, requires_grad=True)
    scale = torch.ones((), requires_grad=True)
    loss = equivariance_loss(lambda moved: scale * voxelwise(moved), images, logits)
    gradient = torch.autograd.grad(loss, [scale, logits], allow_unused=True)
    assert float(gradient[0]) != 0
    assert gradient[1] is None
