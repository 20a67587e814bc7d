"""Agreement with the nearest remembered images."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from VQSegLib.methods.neighbors import NeighborPool


def images(count: int, seed: int, dims: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, *(8 for _ in range(dims)), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dims", [2, 3])
def test_the_loss_by_hand(dims: int) -> None:
    """Neighbours are the five most like the teacher's representation; the student's is held against them."""
    pool = NeighborPool(dims, 3)
    kept = images(7, 0, dims)
    assert float(pool.loss(kept, kept, released=False)) == 0, "nothing is remembered yet"
    student, teacher = images(2, 1, dims).requires_grad_(), images(2, 2, dims)
    loss = pool.loss(student, teacher, released=False)
    s, t, k = (functional.normalize(part.detach().flatten(1), dim=1) for part in (student, teacher, kept))
    expected = [1 - (s[i] @ k[j]) for i in range(2) for j in (t[i] @ k.T).argsort(descending=True)[:5].tolist()]
    assert float(loss.detach()) == pytest.approx(float(sum(expected)) / 10, rel=1e-4)
    loss.backward()
    assert student.grad is not None
    assert bool((student.grad != 0).any())


def test_as_released_there_is_no_gradient() -> None:
    pool = NeighborPool(2, 3)
    pool.loss(images(6, 0), images(6, 0), released=True)
    student = images(2, 1).requires_grad_()
    loss = pool.loss(student, images(2, 2), released=True)
    assert float(loss) > 0
    assert not loss.requires_grad


def test_the_last_images_are_remembered() -> None:
    pool = NeighborPool(2, 3)
    for seed in range(10):
        pool.loss(images(5, seed), images(5, seed), released=False)
    assert int(pool.count) == 50
    last = functional.normalize(images(5, 9).flatten(1), dim=1)
    similarity = pool.vectors @ last.T
    assert bool((similarity.max(0).values > 0.999).all())
