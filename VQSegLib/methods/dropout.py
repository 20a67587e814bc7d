"""Dropout as the perturbation of features: what VQ-Seg (arXiv 2601.10124) holds its code perturbation against.

Where QPM exchanges codes, this drops values of the coarsest map: in the student's weak view of unlabeled patches, which
must still give the teacher's pseudo-labels. With ``drop_labeled`` and ``consistency_weight=0`` it is the fully
supervised experiment of the paper's Figure 1: features dropped while learning from labels.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from VQSegLib.methods.base import Batch, StepResult
from VQSegLib.methods.losses import SegmentationLoss, masked_pseudo_labels, segmentation_loss
from VQSegLib.methods.mean_teacher import TeacherConfig, TeacherMethod
from VQSegLib.methods.rampup import RampedConfig


class DropoutConfig(TeacherConfig, RampedConfig):
    """Settings of method ``dropout``."""

    name: Literal["dropout"] = "dropout"
    strong_views: int = Field(default=1, ge=1, le=1)
    dropout_rate: float = Field(default=0.5, ge=0, lt=1, description="Share of the coarsest map's values set to 0.")
    drop_labeled: bool = Field(default=False, description="Drop features of labeled patches too.")
    segmentation_loss: SegmentationLoss = Field(default="ce", description="As method vqseg.")

    @model_validator(mode="after")
    def _check(self) -> DropoutConfig:
        if not self.uses_unlabeled and not self.drop_labeled:
            msg = "consistency_weight 0 without drop_labeled drops nothing; use method supervised instead"
            raise ValueError(msg)
        return self

    @property
    def uses_unlabeled(self) -> bool:
        """Whether there is a consistency term."""
        return self.consistency_weight > 0


class DropoutPerturbation(TeacherMethod[DropoutConfig]):
    """Mean teacher whose student sees a strong view, and a weak one with dropped features."""

    def forward(self, batch: Batch, step: int) -> StepResult:
        """Return supervised loss and consistency of the strong and of the dropped view."""
        kind, count = self.config.segmentation_loss, len(batch.labeled)
        if not self.config.uses_unlabeled:
            logits = self._segment([batch.labeled], slice(0, count))
            return StepResult.of({"loss/supervised": segmentation_loss(logits, batch.target, kind)}, {})
        with torch.no_grad():
            pseudo_label, _ = masked_pseudo_labels(self.teacher(batch.weak), None)
        first = 0 if self.config.drop_labeled else count
        logits = self._segment([batch.labeled, batch.weak, batch.strong[0]], slice(first, count + len(batch.weak)))
        supervised, *consistency = (
            segmentation_loss(part, target, kind)
            for part, target in zip(
                logits.split([count, len(batch.weak), len(batch.weak)]),
                (batch.target, pseudo_label, pseudo_label),
                strict=True,
            )
        )
        weight = self.config.consistency_weight_at(step, self.max_steps)
        terms = {"loss/supervised": supervised, "loss/consistency": weight * torch.stack(consistency).mean()}
        return StepResult.of(terms, {"ssl/consistency_weight": weight})

    def _segment(self, parts: list[Tensor], dropped: slice) -> Tensor:
        """Return logits of all parts, with features of the patches ``dropped`` dropped."""
        images = torch.cat(parts)
        features = self.student.encode(images)
        coarsest = features[-1].clone()
        coarsest[dropped] = F.dropout(coarsest[dropped], self.config.dropout_rate)
        return self.student.decode(features, coarsest, images.shape[2:])
