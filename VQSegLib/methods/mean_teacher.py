"""Exponential moving average of a network: parameters and buffers; and what all methods with such a teacher share."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, Literal, TypeVar

import torch
from pydantic import Field
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from VQSegLib.methods.base import Method, MethodConfig
from VQSegLib.models.network import VQSegNet

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


class TeacherConfig(MethodConfig):
    """What every method with an averaged teacher can be told."""

    ema_decay: float = Field(default=0.99, ge=0, lt=1, description="Momentum of the teacher.")
    inference: Literal["student", "teacher"] = Field(
        default="student", description="Network that is scored and kept; choose the same when methods are compared."
    )


TeacherConfigT = TypeVar("TeacherConfigT", bound=TeacherConfig)


class TeacherMethod(Method[TeacherConfigT], Generic[TeacherConfigT]):
    """Method whose teacher is the moving average of its student."""

    teacher: VQSegNet

    def build_parts(self) -> None:
        """Add the teacher."""
        self.teacher = build_teacher_network(self.student)

    def train(self, mode: bool = True) -> TeacherMethod[TeacherConfigT]:
        """Switch the student's mode; the teacher stays in eval mode."""
        super().train(mode)
        self.teacher.eval()
        return self

    def after_step(self, step: int) -> None:
        """Move the teacher."""
        update_teacher(self.teacher, self.student, step, self.config.ema_decay)

    def inference_network(self) -> VQSegNet:
        """Return the network that the configuration names."""
        return self.teacher if self.config.inference == "teacher" else self.student


@contextmanager
def batch_statistics_only(module: nn.Module) -> Iterator[None]:
    """Run ``module`` in training mode, with dropout and the batch's own statistics, and leave no trace in its buffers.

    For teachers that the papers keep in training mode, and for forward passes on adversarial images.
    """
    modes = [(part, part.training) for part in module.modules()]
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]
    try:
        module.train()
        for norm in norms:
            norm.track_running_stats = False
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
        for part, mode in modes:
            part.training = mode
