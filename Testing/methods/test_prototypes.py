"""Prototypes of classes and the distance of voxels to them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from VQSegLib.methods.prototypes import PER_CLASS, WIDTH, PrototypeMemory


def build(*, released: bool = False) -> PrototypeMemory:
    torch.manual_seed(0)
    return PrototypeMemory(8, 3, released=released).train()


def features(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(seed))


def test_only_foreground_is_remembered_and_overwritten() -> None:
    memory, labels = build(), torch.tensor([0, 0, 1, 1, 1])
    before = {name: value.clone() for name, value in memory.named_buffers() if "running" in name}
    memory.remember(features(5), labels)
    assert memory.filled.tolist() == [0, 3, 0]
    first = memory.vectors[1, :3].clone()
    memory.remember(features(2, seed=1), torch.tensor([1, 2]))
    assert memory.filled.tolist() == [0, 1, 1]
    assert not torch.equal(memory.vectors[1, 0], first[0])
    assert all(torch.equal(value, before[name]) for name, value in memory.named_buffers() if name in before)
    assert memory.projection.training


@pytest.mark.parametrize("released", [False, True])
def test_the_best_scored_are_kept_or_as_released_the_worst(released: bool) -> None:
    memory, rows = build(released=released), features(PER_CLASS + 30)
    memory.remember(rows, torch.ones(len(rows), dtype=torch.long))
    memory.eval()
    with torch.no_grad():
        vectors = memory.projection(rows)
        scores = memory.memory_scores[1](vectors)[:, 0]
        kept = memory.memory_scores[1](memory.vectors[1])[:, 0]
    order = scores.sort(descending=not released).values[:PER_CLASS]
    assert torch.allclose(kept.sort().values, order.sort().values, atol=1e-5)


def test_the_distance_by_hand() -> None:
    """One class with prototypes: mean of 1 - cosine, weighed on both axes, divided by the number of classes."""
    memory, rows = build(), features(6)
    memory.remember(features(4, seed=2), torch.full((4,), 2))
    found = memory.distance(rows, torch.tensor([0, 0, 1, 2, 2, 2]))
    with torch.no_grad():
        vectors = memory.prediction(memory.projection(rows))[3:]
        prototypes = memory.vectors[2, :4]
        w = torch.sigmoid(memory.feature_scores[2](vectors))[:, 0]
        m = torch.sigmoid(memory.memory_scores[2](prototypes))[:, 0]
        cosine = torch.cosine_similarity(vectors[:, None], prototypes[None], dim=2)
        expected = ((1 - cosine) * (w / w.mean())[:, None] * (m / m.mean())[None]).mean() / 3
    assert float(found.detach()) == pytest.approx(float(expected), rel=1e-4)


def test_voxels_are_pulled_towards_their_prototypes() -> None:
    memory, rows = build(), features(6).requires_grad_()
    memory.remember(features(4, seed=2), torch.full((4,), 1))
    memory.distance(rows, torch.ones(6, dtype=torch.long)).backward()
    assert rows.grad is not None
    assert bool((rows.grad != 0).any())


@pytest.mark.parametrize("labels", [[], [1], [1, 1, 1]])
def test_without_prototypes_or_voxels_the_distance_is_zero(labels: list[int]) -> None:
    rows = features(len(labels)).requires_grad_()
    distance = build().distance(rows, torch.tensor(labels, dtype=torch.long))
    assert float(distance.detach()) == 0
    distance.backward()


def test_the_memory_is_part_of_the_state() -> None:
    memory = build()
    memory.remember(features(3), torch.tensor([1, 1, 2]))
    other = build()
    other.load_state_dict(memory.state_dict())
    assert torch.equal(other.vectors, memory.vectors)
    assert memory.vectors.shape == (3, PER_CLASS, WIDTH)
