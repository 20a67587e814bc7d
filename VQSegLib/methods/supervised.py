"""Plain supervised training on the labeled patches: the lower and upper bound of every comparison."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from VQSegLib.methods.base import Batch, Method, MethodConfig, StepResult
from VQSegLib.methods.losses import SegmentationLoss, segmentation_loss
from VQSegLib.methods.mean_teacher import build_teacher_network, update_teacher
from VQSegLib.models.config import NetworkConfig, PreprocessingConfig
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

    def adapt_network(self, network: NetworkConfig) -> NetworkConfig:
        """Return the network without quantizer and image decoder."""
        return network.model_copy(update={"quantizer": None, "image_decoder": False})


class Supervised(Method):
    """Segmentation loss on labeled patches (UNet-S and UNet-F of the VQ-Seg paper's Table 1)."""

    def __init__(
        self,
        config: SupervisedConfig,
        student: VQSegNet,
        preprocessing: PreprocessingConfig,
        max_steps: int,
    ) -> None:
        super().__init__(student, preprocessing, max_steps)
        self.config = config
        if config.ema_decay is not None:
            self.teacher = build_teacher_network(student)

    def forward(self, batch: Batch, step: int) -> StepResult:
        """Return the segmentation loss of the labeled patches."""
        del step
        loss = segmentation_loss(self.student(batch.labeled), batch.target, self.config.segmentation_loss)
        return StepResult(loss, {"loss/supervised": float(loss.detach())})

    def after_step(self, step: int) -> None:
        """Move the averaged weights."""
        if self.teacher is not None and self.config.ema_decay is not None:
            update_teacher(self.teacher, self.student, step, self.config.ema_decay)

    def inference_network(self) -> VQSegNet:
        """Return the averaged network where there is one."""
        return self.student if self.teacher is None else self.teacher
