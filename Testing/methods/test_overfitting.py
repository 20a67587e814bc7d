"""Every method learns one labeled patch by heart: the shortest proof that nothing in its loss works against it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from VQSegLib.evaluation.overlap import dice
from VQSegLib.methods import METHODS, Method
from VQSegLib.methods.base import Batch, MethodConfig

MakeMethod = Callable[..., Method[Any]]
STEPS = 300


def config_of(name: str) -> MethodConfig:
    from VQSegLib.training.config import TrainingConfig

    document = {"method": {"name": name}, "network": {"num_classes": 2}, "preprocessing": {}}
    document["data"] = {"patch_size": (32, 32)}
    return TrainingConfig.model_validate(document).method


def draw_batch(dims: int, views: int) -> Batch:
    """Return one bright ball on noise, twice, and two other noisy patches without labels."""
    generator = torch.Generator().manual_seed(0)
    side = 32 if dims == 2 else 16
    place = torch.stack(torch.meshgrid(*[torch.arange(side)] * dims, indexing="ij")) - side * 0.4
    target = (place.square().sum(0) < (side / 4) ** 2).long()

    def noisy(count: int) -> torch.Tensor:
        noise = 0.3 * torch.randn(count, 1, *target.shape, generator=generator)
        return target.float() + noise

    labeled = noisy(1).repeat(2, *(1 for _ in range(dims + 1)))
    weak = noisy(2)
    strong = weak + 0.1 * torch.randn(max(1, views), *weak.shape, generator=generator)
    return Batch(labeled, target[None].repeat(2, *(1 for _ in range(dims))), weak, strong, labeled + 0.1)


@pytest.mark.slow
@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", sorted(METHODS))
def test_one_labeled_patch_is_learned(name: str, dims: int, make_method: MakeMethod) -> None:
    config: Any = config_of(name)
    strides = ((1,) * dims, (2,) * dims, (2,) * dims)
    encoder = {"kind": "conv", "channels": (8, 16, 32), "strides": strides}
    method = make_method(config, max_steps=STEPS, spatial_dims=dims, encoder=encoder)
    batch = draw_batch(dims, config.strong_views)
    optimizer = torch.optim.AdamW((p for p in method.parameters() if p.requires_grad), lr=0.01)
    score = 0.0
    for step in range(STEPS):
        torch.manual_seed(step)
        method.train()(batch, step).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        method.after_step(step)
        if step % 25 == 24:
            with torch.no_grad():
                found = method.student.eval()(batch.labeled).argmax(1)
            score = dice(found.numpy() == 1, batch.target.numpy() == 1)
            if score > 0.95:
                break
    assert score > 0.95
