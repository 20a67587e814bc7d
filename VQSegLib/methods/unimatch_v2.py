"""UniMatch V2: a teacher, and strong views with complementary dropout (Yang et al., TPAMI 2025, arXiv 2410.10777).

``L = (1/2) [CE(labeled) + (CE(s1) + CE(s2)) / 2]``; channels that one strong view keeps, the other one drops, in half
of the pairs. This is the version that VQ-Seg compares with and builds on.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from VQSegLib.methods.base import Batch, StepResult
from VQSegLib.methods.cutmix import mix_with_flipped
from VQSegLib.methods.losses import SegmentationLoss, masked_pseudo_labels, segmentation_loss
from VQSegLib.methods.mean_teacher import TeacherConfig, TeacherMethod


class UniMatchV2Config(TeacherConfig):
    """Settings of method ``unimatch_v2``."""

    name: Literal["unimatch_v2"] = "unimatch_v2"
    strong_views: int = Field(default=2, ge=2, le=2)
    segmentation_loss: SegmentationLoss = Field(default="ce", description="The paper uses cross-entropy.")
    confidence_threshold: float = Field(default=0.95, ge=0, lt=1, description="Pseudo-labels below it are ignored.")
    ema_decay: float = Field(default=0.996, ge=0, lt=1, description="Momentum of the teacher.")
    inference: Literal["student", "teacher"] = Field(default="teacher", description="The released code scores it.")


class UniMatchV2(TeacherMethod[UniMatchV2Config]):
    """Weak-to-strong consistency with a teacher."""

    def forward(self, batch: Batch, step: int) -> StepResult:
        """Return the loss of labeled patches and of two strong views."""
        del step
        kind = self.config.segmentation_loss
        with torch.no_grad():
            own, mask_ratio = masked_pseudo_labels(self.teacher(batch.weak), self.config.confidence_threshold)
        views = [mix_with_flipped(view, own) for view in batch.strong]
        supervised = segmentation_loss(self.student(batch.labeled), batch.target, kind)
        strong = self._segment_with_complementary_dropout(torch.cat([image for image, _ in views]))
        labels = torch.cat([label for _, label in views])
        consistency = segmentation_loss(strong, labels, kind, count_ignored=True)
        return StepResult.of(
            {"loss/supervised": supervised / 2, "loss/consistency": consistency / 2}, {"ssl/mask_ratio": mask_ratio}
        )

    def _segment_with_complementary_dropout(self, views: Tensor) -> Tensor:
        """Return logits of two strong views ``(2 B, C, *spatial)`` of the same patches."""
        features = self.student.encode(views)
        pairs = len(views) // 2
        untouched = torch.rand(pairs, device=views.device) < 0.5
        kept = [level * _complementary_mask(level, untouched) for level in features]
        return self.student.decode(kept, kept[-1], views.shape[2:])


def _complementary_mask(level: Tensor, untouched: Tensor) -> Tensor:
    """Return factors 0 or 2 per channel of the first view, 2 or 0 of the second, and 1 where a pair is untouched."""
    first = 2 * torch.bernoulli(torch.full((len(untouched), level.shape[1]), 0.5, device=level.device))
    first[untouched] = 1
    mask = torch.cat([first, 2 - first]).to(level.dtype)
    return mask.reshape(*mask.shape, *(1 for _ in level.shape[2:]))
