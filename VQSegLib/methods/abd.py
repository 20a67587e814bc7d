"""ABD: adaptive bidirectional displacement (Chi et al., CVPR 2024, arXiv 2405.00378), its cross-teaching form.

Two networks, one on weak and one on strong views, teach each other. On unlabeled patches the block that a network is
least sure of is overwritten by a sure one of the other view that means the same; on labeled patches the block it is
surest of by the other view's least sure one, with its label, so that hard regions are learned from truth. Per network
``k``: ``(CE + Dice) / 2 + 2 (CE + Dice) / 2 (displaced labeled) + w(t) [Dice(p_k, y_other) + Dice(p_k', y_other')]``.

The paper pairs a UNet with a pre-trained Swin-Unet and is 2-D; here both networks are of the configured kind, started
differently, and blocks are cut along every axis (a 3-D port). The released code lets the second view take from the
already overwritten first one, a slip; here both take from the views as they were (``released_displacement`` for the
code's order).
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from VQSegLib.methods.base import IGNORED, Batch, Method, StepResult
from VQSegLib.methods.cutmix import draw_boxes
from VQSegLib.methods.displacement import displace_reliable, displace_unreliable
from VQSegLib.methods.losses import dice_loss, segmentation_loss
from VQSegLib.methods.rampup import RampedConfig
from VQSegLib.models.network import build_network

Pair = tuple[Tensor, Tensor]


class ABDConfig(RampedConfig):
    """Settings of method ``abd``."""

    name: Literal["abd"] = "abd"
    strong_views: int = Field(default=1, ge=1, le=1)
    consistency_weight: float = Field(default=0.1, ge=0, description="Final weight of the unlabeled terms.")
    labeled_displacement: float = Field(
        default=2 / 3, ge=0, le=1, description="Share of training in which labeled patches are displaced too."
    )
    displacement_probability: float = Field(default=0.5, ge=0, le=1, description="Share of labeled patches displaced.")
    released_displacement: bool = Field(
        default=False, description="The second view takes from the overwritten first one (released code)."
    )

    @property
    def labeled_strong_view(self) -> bool:
        """Yes: the second network sees strong views only."""
        return True


class ABD(Method[ABDConfig]):
    """Student and a second network of the same kind, which only training sees."""

    def build_parts(self) -> None:
        """Add the second network, started from other random weights."""
        self.second = build_network(self.student.config)

    def forward(self, batch: Batch, step: int) -> StepResult:
        """Return what both networks lose."""
        labeled, targets = self._labeled_views(batch)
        unlabeled = (batch.weak, _cut_out(batch.strong[0])[0])
        count = len(batch.labeled)
        answers = self._answer((torch.cat([labeled[0], unlabeled[0]]), torch.cat([labeled[1], unlabeled[1]])))
        known, unknown = _part(answers, slice(0, count)), _part(answers, slice(count, None))
        supervised = _both_losses(known, targets)
        if step < self.config.labeled_displacement * self.max_steps:
            views, labels = displace_reliable(labeled, targets, known, self.config.displacement_probability)
            supervised = supervised + 2 * _both_losses(self._answer(views), labels)
        displaced = displace_unreliable(unlabeled, unknown, in_turn=self.config.released_displacement)
        weight = self.config.consistency_weight_at(step, self.max_steps)
        consistency = _cross_teaching(unknown) + _cross_teaching(self._answer(displaced))
        terms = {"loss/supervised": supervised, "loss/consistency": weight * consistency}
        return StepResult.of(terms, {"ssl/consistency_weight": weight})

    def _labeled_views(self, batch: Batch) -> tuple[Pair, Pair]:
        """Return weak and strong labeled patches with their targets; what is cut out becomes background."""
        if batch.labeled_strong is None:
            msg = "method abd needs strong views of labeled patches"
            raise RuntimeError(msg)
        strong, inside = _cut_out(batch.labeled_strong)
        return (batch.labeled, strong), (batch.target, torch.where(inside & (batch.target != IGNORED), 0, batch.target))

    def _answer(self, views: Pair) -> Pair:
        return self.student(views[0]), self.second(views[1])


def _part(pair: Pair, part: slice) -> Pair:
    return pair[0][part], pair[1][part]


def _both_losses(logits: Pair, targets: Pair) -> Tensor:
    return segmentation_loss(logits[0], targets[0], "ce_dice") + segmentation_loss(logits[1], targets[1], "ce_dice")


def _cross_teaching(logits: Pair) -> Tensor:
    """Return the Dice loss of each network against the other one's answer."""
    first, second = logits
    return dice_loss(first, second.detach().argmax(1), background=True) + dice_loss(
        second, first.detach().argmax(1), background=True
    )


def _cut_out(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return images with a box of one random grey value each, in half of them, and where the boxes are."""
    inside = draw_boxes(len(images), images.shape[2:], images.device)
    low, high = images.min(), images.max()
    grey = low + torch.rand(len(images), device=images.device) * (high - low)
    boxes = inside.unsqueeze(1)
    return torch.where(boxes, grey.reshape(-1, *(1 for _ in images.shape[1:])), images), inside
