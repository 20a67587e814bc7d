"""UniMatch, first version: two strong views and one with dropped features (Yang et al., CVPR 2023, arXiv 2208.09910).

``L = (1/2) [(CE + Dice) / 2 + D(s1) / 4 + D(s2) / 4 + D(fp) / 2]`` as its medical trainer has it, ``D`` being Dice over
voxels of which the student itself is sure on the weak view. Boxes are pasted between strong views. No teacher.

Where the trainer loads a third stream of patches to paste from, the same batch in reverse order serves here.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from VQSegLib.methods.base import Batch, Method, MethodConfig, StepResult
from VQSegLib.methods.cutmix import draw_boxes, paste
from VQSegLib.methods.losses import dice_loss, masked_pseudo_labels, segmentation_loss

_DROPPED = 0.5
_WEIGHTS = (0.25, 0.25, 0.5)


class UniMatchV1Config(MethodConfig):
    """Settings of method ``unimatch_v1``."""

    name: Literal["unimatch_v1"] = "unimatch_v1"
    strong_views: int = Field(default=2, ge=2, le=2)
    confidence_threshold: float = Field(default=0.95, ge=0, lt=1, description="Pseudo-labels below it are ignored.")


class UniMatchV1(Method[UniMatchV1Config]):
    """Weak-to-strong consistency of one network with itself, on images and on features."""

    def forward(self, batch: Batch, step: int) -> StepResult:
        """Return the loss of labeled patches, two strong views and the view with dropped features."""
        del step
        count = len(batch.labeled)
        with torch.no_grad():
            self.student.eval()
            others = self._confident(self.student(batch.weak.flip(0)))[0]
            self.student.train()
        clean, dropped = self._segment_with_dropped_features(batch.labeled, batch.weak)
        own, mask_ratio = self._confident(clean[count:])
        images, labels = [], []
        for view in batch.strong:
            inside = draw_boxes(len(view), view.shape[2:], view.device)
            images.append(paste(inside, view, view.flip(0)))
            labels.append(paste(inside, own, others))
        strong = self.student(torch.cat(images)).chunk(2)
        terms = zip((*strong, dropped), (*labels, own), _WEIGHTS, strict=True)
        consistency = [weight * dice_loss(logits, label, background=True) for logits, label, weight in terms]
        supervised = segmentation_loss(clean[:count], batch.target, "ce_dice")
        return StepResult.of(
            {"loss/supervised": supervised / 2, "loss/consistency": torch.stack(consistency).sum() / 2},
            {"ssl/mask_ratio": mask_ratio},
        )

    def _confident(self, logits: Tensor) -> tuple[Tensor, float]:
        return masked_pseudo_labels(logits, self.config.confidence_threshold)

    def _segment_with_dropped_features(self, labeled: Tensor, weak: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits of both inputs, and of ``weak`` with half of the channels of every encoder map dropped."""
        images = torch.cat([labeled, weak])
        features = self.student.encode(images)
        drop = F.dropout2d if images.ndim == 4 else F.dropout3d
        doubled = [torch.cat([level, drop(level[len(labeled) :], _DROPPED)]) for level in features]
        logits = self.student.decode(doubled, doubled[-1], images.shape[2:])
        return logits[: len(images)], logits[len(images) :]
