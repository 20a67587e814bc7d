"""V-Net of UA-MT (Yu et al., MICCAI 2019, arXiv 1907.07034): see :class:`VNetEncoderConfig`."""

from __future__ import annotations

from itertools import pairwise

from monai.networks.layers.factories import Conv, Norm
from torch import Tensor, nn

from VQSegLib.models.backbone_config import VNetEncoderConfig
from VQSegLib.models.decoder import Decoder, Upsampling, build_dropout, build_enlargement


class VNetEncoder(nn.Module):
    """Encoder: one map per stage, fine to coarse.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the input.
        config: Widths and number of convolutions.
    """

    def __init__(self, spatial_dims: int, in_channels: int, config: VNetEncoderConfig) -> None:
        super().__init__()
        widths = config.channels
        self.stages = nn.ModuleList(
            _convolutions(spatial_dims, width if index else in_channels, width, count)
            for index, (width, count) in enumerate(zip(widths, config.convolutions, strict=True))
        )
        self.downs = nn.ModuleList(
            _activated(spatial_dims, Conv[Conv.CONV, spatial_dims](before, after, 2, 2), after)
            for before, after in pairwise(widths)
        )
        self.dropout = build_dropout(spatial_dims, config.dropout, whole_channels=True)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return one ``(B, channels[s], *spatial)`` map per stage."""
        features = [self.stages[0](x)]
        for down, stage in zip(self.downs, list(self.stages)[1:], strict=True):
            features.append(stage(down(features[-1])))
        features[-1] = self.dropout(features[-1])
        return features


class VNetDecoder(Decoder):
    """Decoder that mirrors :class:`VNetEncoder`.

    Args:
        spatial_dims: 2 or 3.
        out_channels: Channels of the result.
        config: The encoder's.
        skip: Whether the finer encoder maps are added.
        upsampling: How maps are enlarged; MC-Net's further decoders interpolate.
    """

    def __init__(
        self,
        spatial_dims: int,
        out_channels: int,
        config: VNetEncoderConfig,
        *,
        skip: bool,
        upsampling: Upsampling = "transposed",
    ) -> None:
        widths = config.channels
        super().__init__(
            [
                _UpBlock(spatial_dims, widths[level + 1], widths[level], config.convolutions[level], upsampling)
                for level in reversed(range(len(widths) - 1))
            ],
            Conv[Conv.CONV, spatial_dims](widths[0], out_channels, 1),
            widths[-2::-1],
            skip=skip,
            dropout=build_dropout(spatial_dims, config.dropout, whole_channels=True),
        )


class _UpBlock(nn.Module):
    """Enlarges, adds the encoder's map where one is given, and convolves."""

    def __init__(self, spatial_dims: int, before: int, after: int, count: int, upsampling: Upsampling) -> None:
        super().__init__()
        up = build_enlargement(spatial_dims, before, after, (2,) * spatial_dims, upsampling, 3)
        self.up = _activated(spatial_dims, up, after)
        self.block = _convolutions(spatial_dims, after, after, count)

    def forward(self, x: Tensor, finer: Tensor | None = None) -> Tensor:
        x = self.up(x)
        out: Tensor = self.block(x if finer is None else x + finer)
        return out


def _convolutions(spatial_dims: int, before: int, after: int, count: int) -> nn.Sequential:
    convolution = Conv[Conv.CONV, spatial_dims]
    layers = [
        _activated(spatial_dims, convolution(after if index else before, after, 3, padding=1), after)
        for index in range(count)
    ]
    return nn.Sequential(*layers)


def _activated(spatial_dims: int, layer: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(layer, Norm[Norm.BATCH, spatial_dims](channels), nn.ReLU())
