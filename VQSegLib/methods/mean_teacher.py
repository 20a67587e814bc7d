"""Exponential moving average of a network: parameters and buffers."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def build_teacher_network(student: ModuleT) -> ModuleT:
    """Return a copy of ``student`` in eval mode that needs no gradient and shares no tensor with it."""
    return copy.deepcopy(student).eval().requires_grad_(requires_grad=False)


@torch.no_grad()
def update_teacher(teacher: nn.Module, student: nn.Module, step: int, ema_decay: float) -> None:
    """Move the teacher towards the student with decay ``min(1 - 1 / (step + 1), ema_decay)``.

    The first update (step 0) makes the teacher a copy. Floating-point buffers are averaged like parameters, because an
    EMA codebook and batch statistics live there; integer and boolean buffers are copied.
    """
    decay = min(1 - 1 / (step + 1), ema_decay)
    target = teacher.state_dict()
    for name, value in student.state_dict().items():
        if value.is_floating_point():
            target[name].lerp_(value, 1 - decay)
        else:
            target[name].copy_(value)
