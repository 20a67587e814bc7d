"""Dense representations from all maps of a decoder, as ARCO contrasts them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.layers.factories import Conv
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name


class FeatureExtractor(nn.Module):
    """Joins decoder maps from coarse to fine by residual 1-convolutions.

    Args:
        spatial_dims: 2 or 3.
        map_channels: Widths of the maps, coarse to fine.
        width: Channels of the result.
    """

    def __init__(self, spatial_dims: int, map_channels: Sequence[int], width: int) -> None:
        super().__init__()
        convolution = Conv[Conv.CONV, spatial_dims]
        coarser = (map_channels[0], *map_channels[1:])
        self.joins = nn.ModuleList(
            _Residual(convolution(before + after, after, 1), convolution(after, after, 1))
            for before, after in zip(coarser, map_channels[1:], strict=False)
        )
        self.output: nn.Module = convolution(map_channels[-1], width, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return ``(B, width, *spatial)`` at the size of the finest map."""
        x = maps[0]
        for join, finer in zip(self.joins, maps[1:], strict=True):
            mode = "bilinear" if finer.ndim == 4 else "trilinear"
            x = join(torch.cat([F.interpolate(x, finer.shape[2:], mode=mode), finer], dim=1))
        out: Tensor = self.output(x)
        return out


class _Residual(nn.Module):
    def __init__(self, join: nn.Module, refine: nn.Module) -> None:
        super().__init__()
        self.join, self.refine = join, refine

    def forward(self, x: Tensor) -> Tensor:
        x = self.join(x)
        out: Tensor = x + self.refine(F.relu(x))
        return out
