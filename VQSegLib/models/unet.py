"""UNet of the SSL4MIS family: see :class:`UNetEncoderConfig`."""

from __future__ import annotations

import torch
from monai.networks.layers.factories import Conv, Norm, Pool
from torch import Tensor, nn

from VQSegLib.models.backbone_config import UNetEncoderConfig
from VQSegLib.models.decoder import Decoder, Upsampling, build_dropout, build_enlargement


class UNetEncoder(nn.Module):
    """Encoder: one map per stage, fine to coarse.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the input.
        config: Widths and dropout.
    """

    def __init__(self, spatial_dims: int, in_channels: int, config: UNetEncoderConfig) -> None:
        super().__init__()
        before = (in_channels, *config.channels)
        self.stages = nn.ModuleList(
            _double_convolution(spatial_dims, *widths)
            for widths in zip(before, config.channels, config.dropout, strict=False)
        )
        self.pool: nn.Module = Pool[Pool.MAX, spatial_dims](2)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return one ``(B, channels[s], *spatial)`` map per stage."""
        features: list[Tensor] = []
        for stage in self.stages:
            features.append(stage(self.pool(features[-1]) if features else x))
        return features


class UNetDecoder(Decoder):
    """Decoder that mirrors :class:`UNetEncoder`, without dropout.

    Args:
        spatial_dims: 2 or 3.
        out_channels: Channels of the result.
        config: The encoder's.
        skip: Whether the finer encoder maps are joined.
        upsampling: How maps are enlarged; MC-Net's further decoders interpolate.
    """

    def __init__(
        self,
        spatial_dims: int,
        out_channels: int,
        config: UNetEncoderConfig,
        *,
        skip: bool,
        upsampling: Upsampling = "transposed",
    ) -> None:
        widths = config.channels
        super().__init__(
            [
                _UpBlock(spatial_dims, coarse, fine, upsampling, joined=skip)
                for coarse, fine in zip(widths[:0:-1], widths[-2::-1], strict=True)
            ],
            Conv[Conv.CONV, spatial_dims](widths[0], out_channels, 3, padding=1),
            widths[-2::-1],
            skip=skip,
        )


class _UpBlock(nn.Module):
    """Enlarges, joins the encoder's map where one is given, and convolves twice."""

    def __init__(self, spatial_dims: int, before: int, after: int, upsampling: Upsampling, *, joined: bool) -> None:
        super().__init__()
        self.up = build_enlargement(spatial_dims, before, after, (2,) * spatial_dims, upsampling, 1)
        self.block = _double_convolution(spatial_dims, after * (2 if joined else 1), after, 0.0)

    def forward(self, x: Tensor, finer: Tensor | None = None) -> Tensor:
        x = self.up(x)
        out: Tensor = self.block(x if finer is None else torch.cat([finer, x], dim=1))
        return out


def _double_convolution(spatial_dims: int, before: int, after: int, dropout: float) -> nn.Sequential:
    convolution, norm = Conv[Conv.CONV, spatial_dims], Norm[Norm.BATCH, spatial_dims]
    return nn.Sequential(
        *(convolution(before, after, 3, padding=1), norm(after), nn.LeakyReLU()),
        build_dropout(spatial_dims, dropout, whole_channels=False),
        *(convolution(after, after, 3, padding=1), norm(after), nn.LeakyReLU()),
    )
