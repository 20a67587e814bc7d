"""UA-MT: uncertainty-aware mean teacher (Yu et al., MICCAI 2019, arXiv 1907.07034).

The student agrees with the teacher where the teacher, asked several times under noise and dropout, is of one mind.
``L = (CE + Dice) / 2 + w(t) L_c``, ``L_c = sum M (s - t)^2 / (C sum M)`` with ``M = [U < H(t)]``.

Paper and code: the released code keeps ``H`` at a share of ln 2 and divides by 2 whatever the number of classes, which
is the paper's formula for two. Default is ln C and C; ``two_class_formula`` gives the code's.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from VQSegLib.methods.base import Batch, StepResult
from VQSegLib.methods.losses import SegmentationLoss, segmentation_loss, sigmoid_rampup
from VQSegLib.methods.mean_teacher import TeacherConfig, TeacherMethod, batch_statistics_only
from VQSegLib.methods.rampup import RampedConfig

_NOISE = 0.1
_LARGEST_NOISE = 0.2


class UAMTConfig(TeacherConfig, RampedConfig):
    """Settings of method ``uamt``. A network without dropout leaves noise as the only source of uncertainty."""

    name: Literal["uamt"] = "uamt"
    consistency_weight: float = Field(default=0.1, ge=0, description="Final weight of the unlabeled terms.")
    segmentation_loss: SegmentationLoss = "ce_dice"
    monte_carlo_passes: int = Field(
        default=8, ge=2, multiple_of=2, description="Answers of the teacher per patch that its uncertainty is from."
    )
    two_class_formula: bool = Field(
        default=False, description="Threshold and divisor of two classes for any number of them (released code)."
    )


class UAMT(TeacherMethod[UAMTConfig]):
    """Consistency with the certain part of a teacher that is kept in training mode."""

    def forward(self, batch: Batch, step: int) -> StepResult:
        """Return supervised loss and masked consistency."""
        weak, count = batch.weak, len(batch.labeled)
        logits = self.student(torch.cat([batch.labeled, weak])).float()
        probabilities = logits[count:].softmax(1)
        with torch.no_grad(), batch_statistics_only(self.teacher):
            target = self.teacher(_add_noise(weak)).float().softmax(1)
            certain = self._uncertainty(weak) < self._threshold(step, logits.shape[1])
        classes = 2 if self.config.two_class_formula else logits.shape[1]
        error = ((probabilities - target) ** 2).sum(1)
        consistency = (error * certain).sum() / (classes * certain.sum() + 1e-16)
        weight = self.config.consistency_weight_at(step, self.max_steps)
        terms = {
            "loss/supervised": segmentation_loss(logits[:count], batch.target, self.config.segmentation_loss),
            "loss/consistency": weight * consistency,
        }
        mask_ratio = float(certain.float().mean())
        return StepResult.of(terms, {"ssl/mask_ratio": mask_ratio, "ssl/consistency_weight": weight})

    def _uncertainty(self, weak: Tensor) -> Tensor:
        """Return the entropy of the teacher's mean answer ``(B, *spatial)``, nats."""
        repeated = weak.repeat(2, *(1 for _ in weak.shape[1:]))
        answers = [
            self.teacher(_add_noise(repeated)).float().softmax(1) for _ in range(self.config.monte_carlo_passes // 2)
        ]
        mean = torch.cat(answers).unflatten(0, (-1, len(weak))).mean(0)
        entropy: Tensor = -(mean * (mean + 1e-6).log()).sum(1)
        return entropy

    def _threshold(self, step: int, classes: int) -> float:
        """Return the largest uncertainty that counts: from 3/4 of the largest possible entropy up to all of it."""
        largest = math.log(2 if self.config.two_class_formula else classes)
        return (0.75 + 0.25 * sigmoid_rampup(step, self.max_steps)) * largest


def _add_noise(images: Tensor) -> Tensor:
    return images + (torch.randn_like(images) * _NOISE).clamp(-_LARGEST_NOISE, _LARGEST_NOISE)
