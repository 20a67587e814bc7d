"""BCP: bidirectional copy-paste (Bai et al., CVPR 2023, arXiv 2305.00673).

A box of an unlabeled patch is exchanged with the same box of a labeled one, both ways, and the student segments the
mixtures: ground truth on one part, the teacher's largest connected components on the other, at half the weight.
Training begins with mixtures of labeled pairs alone; the weight of the unlabeled part does not ramp up.

Paper and code agree on what is trained. The code starts self-training from the best pre-trained weights on the test
set; here it goes on from the last ones. Batches hold an even number of patches, as many unlabeled as labeled.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from VQSegLib.largest_component import keep_largest_components
from VQSegLib.methods.base import IGNORED, Batch, StepResult
from VQSegLib.methods.cutmix import draw_shared_box
from VQSegLib.methods.losses import segmentation_loss
from VQSegLib.methods.mean_teacher import TeacherConfig, TeacherMethod, batch_statistics_only, update_teacher

_SIDE = 2 / 3
_PRETRAINING = 0.12


class BCPConfig(TeacherConfig):
    """Settings of method ``bcp``."""

    name: Literal["bcp"] = "bcp"
    unlabeled_weight: float = Field(default=0.5, ge=0, description="Weight of the pseudo-labeled part of a mixture.")
    pretraining_steps: int | None = Field(
        default=None,
        ge=0,
        description="Steps on labeled pairs alone; null: 12 % of the training (LA: 2 000 of 17 000).",
    )
    largest_component: bool = Field(default=True, description="Keep the largest component of each pseudo-label.")

    def pretraining_steps_of(self, max_steps: int) -> int:
        """Return the steps on labeled pairs alone in a training of ``max_steps``."""
        return round(_PRETRAINING * max_steps) if self.pretraining_steps is None else self.pretraining_steps

    def needs_unlabeled(self, step: int, max_steps: int) -> bool:
        """Return whether pre-training is over."""
        return step >= self.pretraining_steps_of(max_steps)

    def check_batch(self, labeled: int, unlabeled: int) -> None:
        """Refuse batches that cannot be paired."""
        if labeled != unlabeled or labeled % 2:
            msg = (
                "method bcp pairs patches: data.batch_labeled and data.batch_unlabeled must be equal and even, "
                f"given {labeled} and {unlabeled}"
            )
            raise ValueError(msg)


class BCP(TeacherMethod[BCPConfig]):
    """Copy-paste between labeled and unlabeled patches; the teacher is kept in training mode."""

    def forward(self, batch: Batch, step: int) -> StepResult:
        """Return the loss of the mixtures."""
        images, targets = batch.labeled.chunk(2), batch.target.chunk(2)
        inside = draw_shared_box(images[0].shape[2:], [_SIDE] * (images[0].ndim - 2), images[0].device)
        if not self.config.needs_unlabeled(step, self.max_steps):
            mixed = self.student(torch.where(inside, images[1], images[0]))
            loss = segmentation_loss(mixed, torch.where(inside, targets[1], targets[0]), "ce_dice")
            return StepResult.of({"loss/supervised": loss}, {})
        weak = batch.weak.chunk(2)
        with torch.no_grad(), batch_statistics_only(self.teacher):
            pseudo = self._pseudo_labels(self.teacher(batch.weak)).chunk(2)
        logits = (
            self.student(torch.where(inside, weak[0], images[0])),
            self.student(torch.where(inside, images[1], weak[1])),
        )
        labeled = _on(logits[0], targets[0], ~inside) + _on(logits[1], targets[1], inside)
        unlabeled = _on(logits[0], pseudo[0], inside) + _on(logits[1], pseudo[1], ~inside)
        terms = {"loss/supervised": labeled, "loss/consistency": self.config.unlabeled_weight * unlabeled}
        return StepResult.of(terms, {"ssl/consistency_weight": self.config.unlabeled_weight})

    def after_step(self, step: int) -> None:
        """Copy the student during pre-training, average it afterwards."""
        since = step - self.config.pretraining_steps_of(self.max_steps)
        update_teacher(self.teacher, self.student, max(0, since), self.config.ema_decay)

    def _pseudo_labels(self, logits: Tensor) -> Tensor:
        labels = logits.argmax(1)
        if not self.config.largest_component:
            return labels
        kept = [keep_largest_components(patch) for patch in labels.cpu().numpy()]
        return torch.from_numpy(np.stack(kept)).to(labels.device)


def _on(logits: Tensor, target: Tensor, part: Tensor) -> Tensor:
    """Return cross-entropy and Dice loss, averaged, over the voxels of ``part`` alone."""
    return segmentation_loss(logits, torch.where(part, target, IGNORED), "ce_dice")
