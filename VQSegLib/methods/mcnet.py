"""MC-Net and MC-Net+: mutual consistency of differing decoders (Wu et al., MedIA 2022, arXiv 2109.09960).

One encoder, decoders that enlarge maps by transposed convolution, linear and nearest interpolation; each one's answer
is pulled towards the sharpened answers of the others. ``L = lambda sum_k Dice(p_k, y) + w(t) sum_{i != j} |p_i -
sharp(p_j)|^2``. No teacher; the first decoder is what is shipped.

The gradient also flows through the sharpened target, as in the released code; ``detach_target`` stops it.
"""

from __future__ import annotations

from itertools import permutations
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from VQSegLib.methods.base import Batch, Method, StepResult
from VQSegLib.methods.losses import SegmentationLoss, segmentation_loss
from VQSegLib.methods.rampup import RampedConfig
from VQSegLib.models.decoder import Upsampling
from VQSegLib.models.network import build_decoder

_FURTHER: tuple[Upsampling, ...] = ("linear", "nearest")


class MCNetConfig(RampedConfig):
    """Settings of method ``mcnet``."""

    name: Literal["mcnet"] = "mcnet"
    decoders: int = Field(default=3, ge=2, le=3, description="3: MC-Net+; 2: MC-Net.")
    segmentation_loss: SegmentationLoss = Field(default="dice", description="The papers use Dice.")
    supervised_weight: float = Field(default=0.5, gt=0, description="Weight of the labeled terms (paper: lambda).")
    temperature: float = Field(default=0.1, gt=0, le=1, description="Of sharpening; 1 leaves answers as they are.")
    detach_target: bool = Field(default=False, description="Let no gradient through the sharpened answers.")


class MCNet(Method[MCNetConfig]):
    """Student with further decoders that only training sees."""

    def build_parts(self) -> None:
        """Add the further decoders."""
        ways = _FURTHER[: self.config.decoders - 1]
        self.decoders = nn.ModuleList(build_decoder(self.student.config, way) for way in ways)

    def forward(self, batch: Batch, step: int) -> StepResult:
        """Return the Dice loss of every decoder and their disagreement on all patches."""
        images, count = torch.cat([batch.labeled, batch.weak]), len(batch.labeled)
        features = self.student.encode(images)
        answers: list[Tensor] = [
            decode(features, images.shape[2:]).float() for decode in (self.student.segmentation_decoder, *self.decoders)
        ]
        losses = [segmentation_loss(each[:count], batch.target, self.config.segmentation_loss) for each in answers]
        probabilities = [each.softmax(1) for each in answers]
        targets = [self._sharpen(each) for each in probabilities]
        pairs = permutations(range(len(answers)), 2)
        consistency = torch.stack([((probabilities[i] - targets[j]) ** 2).mean() for i, j in pairs]).sum()
        weight = self.config.consistency_weight_at(step, self.max_steps)
        terms = {
            "loss/supervised": self.config.supervised_weight * torch.stack(losses).sum(),
            "loss/consistency": weight * consistency,
        }
        return StepResult.of(terms, {"ssl/consistency_weight": weight})

    def _sharpen(self, probabilities: Tensor) -> Tensor:
        """Return ``p^(1/T) / (p^(1/T) + (1 - p)^(1/T))`` per channel, by its logarithm, which cannot underflow."""
        sharp = torch.sigmoid(torch.logit(probabilities, eps=1e-6) / self.config.temperature)
        return sharp.detach() if self.config.detach_target else sharp
