"""What the decoders of all convolutional networks share: up-blocks from coarse to fine, then a head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from monai.networks.layers.factories import Conv, Dropout
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name

Upsampling = Literal["transposed", "linear", "nearest"]
"""How a map is enlarged: by a learned transposed convolution, or by interpolation and a convolution (MC-Net)."""


class Decoder(nn.Module):
    """Up-blocks and a head.

    Args:
        ups: Blocks, coarse to fine; each takes the coarser map and, with ``skip``, the encoder's finer map.
        head: Convolution from the finest map to the result.
        map_channels: Widths of what the blocks return, coarse to fine.
        skip: Whether the finer encoder maps are used; without, the coarsest map is all the decoder sees.
        dropout: Rate of channel dropout before the head, in training.
    """

    def __init__(
        self,
        ups: Sequence[nn.Module],
        head: nn.Module,
        map_channels: Sequence[int],
        *,
        skip: bool,
        dropout: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.ups = nn.ModuleList(ups)
        self.head = head
        self.map_channels = tuple(map_channels)
        self.skip = skip
        self.dropout = dropout or nn.Identity()

    def maps(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return one map per block, coarse to fine, the last one being the head's input.

        Args:
            features: The encoder's maps, fine to coarse.
        """
        x = features[-1]
        found = [x] if not self.ups else []
        for up, finer in zip(self.ups, reversed(features[:-1]), strict=True):
            x = up(x, finer) if self.skip else up(x)
            found.append(x)
        found[-1] = self.dropout(found[-1])
        return found

    def classify(self, finest: Tensor, size: Sequence[int]) -> Tensor:
        """Return ``(B, out_channels, *size)`` from the last of :meth:`maps`."""
        out: Tensor = self.head(finest)
        if out.shape[2:] != torch.Size(size):
            out = F.interpolate(out, tuple(size), mode="bilinear" if out.ndim == 4 else "trilinear")
        return out

    def forward(self, features: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """Return ``(B, out_channels, *size)`` from the encoder's maps (fine to coarse, the last one quantized)."""
        return self.classify(self.maps(features)[-1], size)


def build_enlargement(
    spatial_dims: int, before: int, after: int, stride: Sequence[int], upsampling: Upsampling, kernel: int
) -> nn.Sequential:
    """Return layers that enlarge a map by ``stride`` and change its width from ``before`` to ``after``.

    Args:
        spatial_dims: 2 or 3.
        before: Channels of the input.
        after: Channels of the result.
        stride: Factor per axis.
        upsampling: How to enlarge.
        kernel: Side of the convolution that goes with interpolation.
    """
    scale = tuple(float(factor) for factor in stride)
    if upsampling == "transposed":
        return nn.Sequential(Conv[Conv.CONVTRANS, spatial_dims](before, after, tuple(stride), tuple(stride)))
    convolution = Conv[Conv.CONV, spatial_dims](before, after, kernel, padding=kernel // 2)
    if upsampling == "nearest":
        return nn.Sequential(nn.Upsample(scale_factor=scale, mode="nearest"), convolution)
    mode = "bilinear" if spatial_dims == 2 else "trilinear"
    return nn.Sequential(nn.Upsample(scale_factor=scale, mode=mode, align_corners=True), convolution)


def build_dropout(spatial_dims: int, rate: float, *, whole_channels: bool) -> nn.Module:
    """Return dropout of single values, or of whole channels as V-Net has it."""
    layer: nn.Module = Dropout[Dropout.DROPOUT, spatial_dims if whole_channels else 1](rate)
    return layer
