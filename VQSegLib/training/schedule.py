"""Optimizer and learning-rate schedule."""

from __future__ import annotations

import torch
from torch import nn

from VQSegLib.training.config import OptimizerConfig

CPU = torch.device("cpu")
ENCODER = "student.encoder."
"""Prefix of the encoder's parameters in a method."""


def build_optimizer(method: nn.Module, config: OptimizerConfig, device: torch.device = CPU) -> torch.optim.Optimizer:
    """Build the optimizer of what is trained; vectors and scalars (biases, norms) get no weight decay.

    Each parameter group carries ``factor``, by which the scheduled learning rate is multiplied.

    Args:
        method: Holds what is trained.
        config: Kind and values.
        device: Where the method will be trained.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in method.named_parameters():
        if parameter.requires_grad:
            in_encoder = name.startswith(ENCODER) and config.encoder_factor != 1
            groups.setdefault((in_encoder, parameter.ndim > 1), []).append(parameter)
    described = [
        {
            "params": parameters,
            "weight_decay": config.weight_decay if decayed else 0.0,
            "factor": config.encoder_factor if in_encoder else 1.0,
        }
        for (in_encoder, decayed), parameters in groups.items()
    ]
    if config.kind == "sgd":
        return torch.optim.SGD(described, lr=config.learning_rate, momentum=config.momentum, nesterov=config.nesterov)
    # One pass over memory instead of a dozen. On CUDA, Fabric refuses to clip gradients of such optimizers in float16.
    return torch.optim.AdamW(described, lr=config.learning_rate, fused=device.type == "cpu" or None)


def learning_rate(step: int, max_steps: int, config: OptimizerConfig) -> float:
    """Return the learning rate of ``step``: linear warm-up, then polynomial decay."""
    warmup = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    decay: float = (1 - step / max_steps) ** config.poly_power
    return config.learning_rate * warmup * decay
