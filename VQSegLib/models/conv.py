"""Convolutional encoder and decoders from MONAI blocks, 2-D and 3-D alike."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from monai.networks.blocks.dynunet_block import UnetBasicBlock, UnetResBlock, UnetUpBlock
from monai.networks.layers.factories import Conv
from torch import Tensor, nn

from VQSegLib.models.config import ConvEncoderConfig
from VQSegLib.models.decoder import Decoder, Upsampling, build_enlargement

_NORMS: dict[str, tuple[str, dict[str, object]]] = {"batch": ("batch", {}), "group": ("group", {"num_groups": 8})}


class ConvEncoder(nn.Module):
    """Residual encoder: one stage per entry of ``config.channels``.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the input.
        config: Widths and strides.
    """

    def __init__(self, spatial_dims: int, in_channels: int, config: ConvEncoderConfig) -> None:
        super().__init__()
        widths = (in_channels, *config.channels)
        self.stages = nn.ModuleList(
            UnetResBlock(spatial_dims, before, after, 3, stride, norm_name=_NORMS[config.norm])
            for before, after, stride in zip(widths[:-1], widths[1:], config.strides, strict=True)
        )
        self.size_divisor = tuple(prod(stride[axis] for stride in config.strides) for axis in range(spatial_dims))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return one ``(B, channels[s], *spatial)`` map per stage, fine to coarse."""
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class ConvDecoder(Decoder):
    """Decoder that mirrors :class:`ConvEncoder`, with or without skip connections.

    Args:
        spatial_dims: 2 or 3.
        out_channels: Channels of the result.
        config: The encoder's widths and strides.
        skip: Whether the finer encoder stages are used; without, the coarsest map is all the decoder sees.
        upsampling: How maps are enlarged; MC-Net's further decoders interpolate.
    """

    def __init__(
        self,
        spatial_dims: int,
        out_channels: int,
        config: ConvEncoderConfig,
        *,
        skip: bool,
        upsampling: Upsampling = "transposed",
    ) -> None:
        block, enlarging = (UnetUpBlock, "transp_conv") if skip else (_UpBlock, "up")
        coarse_to_fine = list(zip(config.channels, config.channels[1:], config.strides[1:], strict=False))[::-1]
        ups = []
        for fine, coarse, stride in coarse_to_fine:
            up = block(spatial_dims, coarse, fine, 3, stride, stride, norm_name=_NORMS[config.norm])
            if upsampling != "transposed":
                setattr(up, enlarging, build_enlargement(spatial_dims, coarse, fine, stride, upsampling, 3))
            ups.append(up)
        head = Conv[Conv.CONV, spatial_dims](config.channels[0], out_channels, 1)
        super().__init__(ups, head, config.channels[-2::-1] or config.channels, skip=skip)


class _UpBlock(nn.Module):
    """Transposed convolution and one convolution block, without a skip connection."""

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: Sequence[int],
        upsample_kernel_size: Sequence[int],
        norm_name: tuple[str, dict[str, object]],
    ) -> None:
        super().__init__()
        transposed = Conv[Conv.CONVTRANS, spatial_dims]
        self.up: nn.Module = transposed(in_channels, out_channels, tuple(upsample_kernel_size), tuple(stride))
        self.block = UnetBasicBlock(spatial_dims, out_channels, out_channels, kernel_size, 1, norm_name=norm_name)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.block(self.up(x))
        return out
