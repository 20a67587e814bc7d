"""SS-Net: smoothness under adversarial noise and separation of classes (Wu et al., MICCAI 2022, arXiv 2203.01324).

``L = Dice(labeled) + w(t) [L_lds + 0.1 (L_cl labeled + L_cl unlabeled)]``: the answer must not change under the
strongest small change of the image, and voxels must lie near the prototypes of their class. No teacher.

Paper and code: the code keeps the prototypes with the lowest scores and, by a slip, weighs all alike. Default is the
paper's intent, highest scores and weights that count; ``released_memory`` gives the code's behaviour.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from VQSegLib.methods.adversarial import adversarial_direction
from VQSegLib.methods.base import Batch, Method, StepResult
from VQSegLib.methods.losses import SegmentationLoss, resize_labels, segmentation_loss, soft_dice_loss
from VQSegLib.methods.mean_teacher import batch_statistics_only
from VQSegLib.methods.prototypes import PrototypeMemory
from VQSegLib.methods.rampup import RampedConfig

_CONTRAST = 0.1


class SSNetConfig(RampedConfig):
    """Settings of method ``ssnet``."""

    name: Literal["ssnet"] = "ssnet"
    segmentation_loss: SegmentationLoss = Field(default="dice", description="The paper uses Dice.")
    noise: float = Field(default=10, gt=0, description="Length of the adversarial change of a patch (ACDC: 6).")
    probe: float = Field(default=10, gt=0, description="Length of the random change that its direction is found with.")
    max_voxels: int | None = Field(
        default=20_000,
        ge=2,
        description="Voxels drawn per step for the contrast from labeled and from unlabeled patches; null: all, as "
        "in the released code, which needs gigabytes in 3-D.",
    )
    released_memory: bool = Field(default=False, description="Keep and weigh prototypes as the released code does.")


class SSNet(Method[SSNetConfig]):
    """Student with a projected feature space that only training sees."""

    def build_parts(self) -> None:
        """Add projection, prediction, scores and prototypes."""
        width = self.student.staged_decoder.map_channels[-1]
        self.memory = PrototypeMemory(width, self.student.config.num_classes, released=self.config.released_memory)

    def forward(self, batch: Batch, step: int) -> StepResult:
        """Return Dice of the labeled patches, smoothness and contrast of all."""
        images, count = torch.cat([batch.labeled, batch.weak]), len(batch.labeled)
        decoder = self.student.staged_decoder
        finest = decoder.maps(self.student.encode(images))[-1]
        logits = decoder.classify(finest, images.shape[2:]).float()
        features = finest.float().movedim(1, -1)
        answers, target = (resize_labels(part, finest.shape[2:]) for part in (logits.argmax(1), batch.target))
        labels = (target, answers[count:])
        right = (answers[:count] == target) & (target > 0)
        self.memory.remember(features[:count][right], target[right])
        contrast = torch.stack(
            [
                self.memory.distance(*self._draw(part, label))
                for part, label in zip((features[:count], features[count:]), labels, strict=True)
            ]
        ).sum()
        weight = self.config.consistency_weight_at(step, self.max_steps)
        smoothness = self._smoothness(images, logits.detach().softmax(1))
        terms = {
            "loss/supervised": segmentation_loss(logits[:count], batch.target, self.config.segmentation_loss),
            "loss/consistency": weight * smoothness,
            "loss/contrast": weight * _CONTRAST * contrast,
        }
        return StepResult.of(terms, {"ssl/consistency_weight": weight})

    def _smoothness(self, images: Tensor, clean: Tensor) -> Tensor:
        """Return how much the answer changes under the adversarial change of each patch."""
        with batch_statistics_only(self.student):
            direction = adversarial_direction(self.student, images, clean, self.config.probe)
            changed = self.student(images + self.config.noise * direction).float().softmax(1)
        return soft_dice_loss(changed, clean)

    def _draw(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return rows of voxels and their labels, all that are not ignored or a random part of them."""
        rows = (labels.flatten() >= 0).nonzero()[:, 0]
        limit = self.config.max_voxels
        if limit is not None and len(rows) > limit:
            rows = rows[torch.randperm(len(rows), device=rows.device)[:limit]]
        return features.flatten(0, -2)[rows], labels.flatten()[rows]
