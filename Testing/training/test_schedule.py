"""Optimizer groups and learning rate."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from VQSegLib.training.config import OptimizerConfig
from VQSegLib.training.schedule import build_optimizer, learning_rate


def test_the_rate_warms_up_and_decays_polynomially() -> None:
    config = OptimizerConfig(learning_rate=0.1, warmup_steps=10, poly_power=0.9)
    assert learning_rate(0, 1000, config) == pytest.approx(0.01)
    assert learning_rate(4, 1000, config) == pytest.approx(0.05 * (1 - 4 / 1000) ** 0.9)
    assert learning_rate(500, 1000, config) == pytest.approx(0.1 * 0.5**0.9)
    assert 0 < learning_rate(999, 1000, config) < 0.001
    constant = OptimizerConfig(learning_rate=0.1, warmup_steps=0, poly_power=0)
    assert {learning_rate(step, 10, constant) for step in range(10)} == {0.1}


@pytest.mark.parametrize(("kind", "cls"), [("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)])
def test_only_matrices_decay_and_frozen_weights_are_left_out(kind: str, cls: type) -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.Linear(3, 1))
    module[2].requires_grad_(requires_grad=False)
    optimizer = build_optimizer(module, OptimizerConfig(kind=kind, weight_decay=0.5))
    assert isinstance(optimizer, cls)
    decayed, free = optimizer.param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.5, 0)
    assert [p is module[0].weight for p in decayed["params"]] == [True]
    assert {id(p) for p in free["params"]} == {id(module[0].bias), id(module[1].weight), id(module[1].bias)}


def test_the_encoder_of_the_student_learns_by_its_own_factor() -> None:
    student = nn.ModuleDict({"encoder": nn.Linear(2, 2, bias=False), "head": nn.Linear(2, 2, bias=False)})
    method = nn.ModuleDict({"student": student})
    optimizer = build_optimizer(method, OptimizerConfig(encoder_factor=0.025))
    factors = {id(group["params"][0]): group["factor"] for group in optimizer.param_groups}
    assert factors == {id(student["encoder"].weight): 0.025, id(student["head"].weight): 1.0}


@pytest.mark.parametrize(("device", "is_fused"), [("cpu", True), ("cuda", None)])
def test_all_parameters_are_updated_in_one_pass_on_the_cpu(device: str, is_fused: bool | None) -> None:
    """A fused optimizer cannot have its gradients clipped in float16 on CUDA."""
    optimizer = build_optimizer(torch.nn.Linear(2, 2), OptimizerConfig(), torch.device(device))
    assert all(group["fused"] is is_fused for group in optimizer.param_groups)
