"""nnU-Net's recipe over our own network (Isensee et al., Nature Methods 2021): deep supervision with CE + Dice.

Not nnU-Net itself, which also plans patch, network and schedule; docs/methods.md has the command that runs it. Preset
``nnunet`` adds its optimizer and augmentation.
"""

from __future__ import annotations

from typing import Literal

import torch
from monai.networks.layers.factories import Conv
from pydantic import Field
from torch import nn

from VQSegLib.methods.base import Batch, Method, MethodConfig, StepResult
from VQSegLib.methods.losses import resize_labels, segmentation_loss


class NnUNetRecipeConfig(MethodConfig):
    """Settings of method ``nnunet_recipe``."""

    name: Literal["nnunet_recipe"] = "nnunet_recipe"
    supervised_scales: int = Field(
        default=4, ge=1, description="Finest scales with a loss, at most all but the coarsest; weights 1, 1/2, 1/4, ..."
    )

    @property
    def uses_unlabeled(self) -> bool:
        """No."""
        return False


class NnUNetRecipe(Method[NnUNetRecipeConfig]):
    """Student with a head at each of its finer decoder maps, which only training sees."""

    def build_parts(self) -> None:
        """Add a head per coarser map, fine to coarse."""
        network = self.student.config
        widths = self.student.staged_decoder.map_channels[:-1][::-1]
        # nnU-Net gives its coarsest scale the weight 0: it is left out.
        chosen = widths[: max(0, min(self.config.supervised_scales, len(widths)) - 1)]
        self.heads = nn.ModuleList(Conv[Conv.CONV, network.spatial_dims](w, network.num_classes, 1) for w in chosen)

    def forward(self, batch: Batch, step: int) -> StepResult:
        """Return the mean of CE + Dice over scales, weighted by halves."""
        del step
        decoder = self.student.staged_decoder
        finest, *coarser = decoder.maps(self.student.encode(batch.labeled))[::-1]
        logits = [decoder.classify(finest, batch.target.shape[1:])]
        logits += [head(level) for head, level in zip(self.heads, coarser, strict=False)]
        losses = [
            2 * segmentation_loss(each, resize_labels(batch.target, each.shape[2:]), "ce_dice") for each in logits
        ]
        weights = torch.tensor([0.5**scale for scale in range(len(losses))], device=losses[0].device)
        return StepResult.of({"loss/supervised": (torch.stack(losses) * weights).sum() / weights.sum()}, {})
