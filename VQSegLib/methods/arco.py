"""ARCO: contrast of stratified samples of dense representations (You et al., NeurIPS 2023, arXiv 2302.01735).

``L = CE + Dice + L_un + 0.01 L_con + L_q + L_eqv``: pseudo-labels on mixed unlabeled patches, contrast of voxels
between classes, agreement with nearest images, equivariance under deformation. Its second stage; the first, a
self-supervised pre-training, is not built.

Paper and code: in the code a class gets no negatives when classes are few, the nearest-neighbour term has no gradient,
and 3-D training computes equivariance without adding it. Defaults follow the paper; ``released_rules`` and
``equivariance_weight=0`` give the code's behaviour.
"""

from __future__ import annotations

from typing import Literal

import torch
from monai.networks.layers.factories import Conv
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from VQSegLib.methods.base import Batch, StepResult
from VQSegLib.methods.cutmix import draw_shared_box, paste
from VQSegLib.methods.equivariance import equivariance_loss
from VQSegLib.methods.losses import resize_labels, segmentation_loss
from VQSegLib.methods.mean_teacher import TeacherConfig, TeacherMethod, build_teacher_network, update_teacher
from VQSegLib.methods.negative_bank import NegativeBank
from VQSegLib.methods.neighbors import NeighborPool
from VQSegLib.methods.region_contrast import Voxels, assign_roles, contrast
from VQSegLib.methods.representation import FeatureExtractor
from VQSegLib.methods.stratified import Sampling
from VQSegLib.models.network import VQSegNet

_WIDTH = 16
_LARGEST_SHARE = 0.2


class ARCOConfig(TeacherConfig):
    """Settings of method ``arco``."""

    name: Literal["arco"] = "arco"
    strong_views: int = Field(default=1, ge=1, le=1)
    sampling: Sampling = Field(default="antithetic", description="antithetic: ARCO-SAG; stratified: ARCO-SG.")
    confidence_threshold: float = Field(
        default=0.97, ge=0, lt=1, description="A patch's pseudo-labels weigh by its share of voxels above it."
    )
    contrast_weight: float = Field(default=0.01, ge=0)
    neighbor_weight: float = Field(default=1, ge=0)
    equivariance_weight: float = Field(default=1, ge=0, description="0: as the released 3-D code.")
    bank_size: int = Field(default=30_000, ge=1, description="Negatives remembered per class.")
    released_rules: bool = Field(default=False, description="Negatives and neighbours as in the released code.")


class ARCO(TeacherMethod[ARCOConfig]):
    """Mean teacher with dense representations that only training sees."""

    def build_parts(self) -> None:
        """Add teacher, representations of both networks, bank and pool."""
        super().build_parts()
        network = self.student.config
        widths = self.student.staged_decoder.map_channels
        self.extractor = FeatureExtractor(network.spatial_dims, widths, _WIDTH)
        convolution = Conv[Conv.CONV, network.spatial_dims]
        self.predictor = nn.Sequential(*(convolution(_WIDTH, _WIDTH, 1, bias=False) for _ in range(2)))
        self.teacher_extractor = build_teacher_network(self.extractor)
        self.bank = NegativeBank(network.num_classes, self.config.bank_size, _WIDTH)
        self.pool = NeighborPool(network.spatial_dims, _WIDTH)

    def forward(self, batch: Batch, step: int) -> StepResult:
        """Return supervised loss, pseudo-label loss, contrast, neighbour and equivariance terms."""
        config, count = self.config, len(batch.labeled)
        mixed, pseudo_label, confidence = self._mix(batch)
        images = torch.cat([batch.labeled, mixed])
        logits, own = _segment_and_represent(self.student, self.extractor, images)
        own = self.predictor(own)
        with torch.no_grad():
            answers, others = _segment_and_represent(self.teacher, self.teacher_extractor, images)
        labels = torch.cat([batch.target, pseudo_label])
        voxels = _flatten(own, others, answers.float().softmax(1), labels, count)
        sure = (confidence >= config.confidence_threshold).float()
        share = _LARGEST_SHARE * (1 - step / self.max_steps)
        roles = assign_roles(voxels, share, released=config.released_rules)
        neighbors = self.pool.loss(own, others, released=config.released_rules)
        terms = {
            "loss/supervised": 2 * segmentation_loss(logits[:count], batch.target, "ce_dice"),
            "loss/consistency": _weighted_loss(logits[count:], pseudo_label, sure),
            "loss/contrast": config.contrast_weight * contrast(voxels, roles, self.bank, config.sampling),
            "loss/neighbors": config.neighbor_weight * neighbors,
        }
        if config.equivariance_weight:
            terms["loss/equivariance"] = config.equivariance_weight * equivariance_loss(self.student, images, logits)
        return StepResult.of(terms, {"ssl/mask_ratio": float(sure.mean())})

    def after_step(self, step: int) -> None:
        """Move the teacher and its representation."""
        super().after_step(step)
        update_teacher(self.teacher_extractor, self.extractor, step, self.config.ema_decay)

    @torch.no_grad()
    def _mix(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return strong views with a box of their neighbour in the batch, their pseudo-labels and confidence."""
        confidence, label = self.teacher(batch.weak).float().softmax(1).max(1)
        strong = batch.strong[0]
        # Half of the plane; in 3-D an eighth of the slices, as 10 of the left atrium's 80.
        shares = [0.5**0.5] * 2 if strong.ndim == 4 else [0.125, 0.5**0.5, 0.5**0.5]
        inside = draw_shared_box(strong.shape[2:], shares, strong.device).expand(len(strong), *strong.shape[2:])
        image, label, confidence = (paste(inside, part, part.roll(1, 0)) for part in (strong, label, confidence))
        return image, label, confidence


def _segment_and_represent(network: VQSegNet, extractor: FeatureExtractor, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits and representation ``(B, 16, *spatial)`` of one forward pass."""
    decoder = network.staged_decoder
    maps = decoder.maps(network.encode(images))
    return decoder.classify(maps[-1], images.shape[2:]), extractor(maps)


def _weighted_loss(logits: Tensor, pseudo_label: Tensor, sure: Tensor) -> Tensor:
    """Return cross-entropy averaged over the voxels that have some, each patch weighed by its share of sure voxels."""
    loss = F.cross_entropy(logits.float(), pseudo_label, reduction="none")
    share = sure.flatten(1).mean(1)
    weighted = loss * share.reshape(-1, *(1 for _ in loss.shape[1:]))
    return weighted.sum() / (loss > 0).sum().clamp_min(1)


def _flatten(student: Tensor, teacher: Tensor, probabilities: Tensor, labels: Tensor, labeled: int) -> Voxels:
    """Return the rows of all voxels; representations are float32."""
    size = student.shape[2:]
    labels = resize_labels(labels, size)
    if probabilities.shape[2:] != size:
        probabilities = F.interpolate(probabilities, size, mode="nearest-exact")
    first = torch.arange(len(labels), device=labels.device) < labeled
    is_labeled = first.repeat_interleave(labels[0].numel())
    return Voxels(_rows(student), _rows(teacher), _rows(probabilities), labels.flatten(), is_labeled)


def _rows(channels: Tensor) -> Tensor:
    return channels.float().movedim(1, -1).flatten(0, -2)
