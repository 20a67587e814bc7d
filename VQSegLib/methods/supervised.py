"""Plain supervised training on the labeled patches: the lower and upper bound of every comparison."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from VQSegLib.methods.base import Batch, Method, MethodConfig, StepResult
from VQSegLib.methods.losses import SegmentationLoss, segmentation_loss
from VQSegLib.methods.mean_teacher import build_teacher_network, update_teacher
from VQSegLib.models.network import VQSegNet


class SupervisedConfig(MethodConfig):
    """Settings of method ``supervised``."""

    name: Literal["supervised"] = "supervised"
    segmentation_loss: SegmentationLoss = "ce_dice"
    ema_decay: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="Score the moving average of the weights instead of the last ones; null: off. "
        "Set it when comparing with a mean-teacher method, so that averaging is not mistaken for learning.",
    )

    @property
    def uses_unlabeled(self) -> bool:
        """No."""
        return False


class Supervised(Method[SupervisedConfig]):
    """Segmentation loss on labeled patches (UNet-S and UNet-F of the VQ-Seg paper's Table 1)."""

    def build_parts(self) -> None:
        """Add the averaged network where one is asked for."""
        if self.config.ema_decay is not None:
            self.teacher = build_teacher_network(self.student)

    def forward(self, batch: Batch, step: int) -> StepResult:
        """Return the segmentation loss of the labeled patches."""
        del step
        logits = self.student(batch.labeled)
        return StepResult.of(
            {"loss/supervised": segmentation_loss(logits, batch.target, self.config.segmentation_loss)}, {}
        )

    def after_step(self, step: int) -> None:
        """Move the averaged weights."""
        if self.teacher is not None and self.config.ema_decay is not None:
            update_teacher(self.teacher, self.student, step, self.config.ema_decay)

    def inference_network(self) -> VQSegNet:
        """Return the averaged network where there is one."""
        return self.student if self.teacher is None else self.teacher
