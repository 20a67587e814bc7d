"""The VQ-Seg network: encoder, vector quantizer, segmentation decoder and image decoder.

VQ-Seg (NeurIPS 2025, arXiv 2601.10124), section 3: both decoders see the same post-quantization features. The coarsest
encoder map is quantized; finer maps reach the segmentation decoder unquantized unless ``skip`` is off, and never reach
the image decoder, which would otherwise copy its input and teach the codes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from VQSegLib.errors import ConfigError
from VQSegLib.models.config import ConvEncoderConfig, Dinov2EncoderConfig, NetworkConfig
from VQSegLib.models.conv import ConvDecoder, ConvEncoder
from VQSegLib.models.decoder import Decoder, Upsampling
from VQSegLib.models.unet import UNetDecoder, UNetEncoder
from VQSegLib.models.vector_quantizer import Quantized, build_quantizer
from VQSegLib.models.vnet import VNetDecoder, VNetEncoder

_STAGES: dict[str, tuple[Callable[..., nn.Module], Callable[..., Decoder]]] = {
    "conv": (ConvEncoder, ConvDecoder),
    "vnet": (VNetEncoder, VNetDecoder),
    "unet": (UNetEncoder, UNetDecoder),
}
"""Encoder and decoder of each convolutional network, by ``network.encoder.kind``."""


class VQSegNet(nn.Module):
    """Encoder, optional quantizer and decoders, as :class:`NetworkConfig` says.

    Attributes:
        size_divisor: Multiple that each input side must have, per spatial axis.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.segmentation_decoder, self.image_decoder, dim = _build_parts(config)
        self.quantizer = build_quantizer(dim, config.quantizer) if config.quantizer else None
        self.feature_dim = dim
        self.size_divisor = compute_size_divisor(config)
        # One layout from end to end saves a copy per layer, and in 3-D channels-last is the fast one on the CPU. In 2-D
        # it crashes torch 2.13 (CPU, 2 threads): oneDNN's weight gradient of a strided 1x1 convolution of fewer than
        # 16 input channels writes past its workspace (https://github.com/uxlfoundation/oneDNN/issues/6035).
        self.memory_format = torch.contiguous_format if config.spatial_dims == 2 else torch.channels_last_3d
        self.to(memory_format=self.memory_format)  # type: ignore[call-overload] # the stubs lack this documented form

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(B, num_classes, *spatial)`` of ``x`` ``(B, in_channels, *spatial)``."""
        features = self.encode(x)
        quantized = self.quantize(features)
        return self.decode(features, quantized.quantized if quantized else features[-1], x.shape[2:])

    def encode(self, x: Tensor) -> list[Tensor]:
        """Return the encoder's maps; the last one is what gets quantized."""
        features: list[Tensor] = self.encoder(self._lay_out(x))
        return features

    def _lay_out(self, x: Tensor) -> Tensor:
        if self.memory_format == torch.channels_last_3d and x.shape[1] == 1:
            # A single channel lies first and last alike; only strides tell torch which of them is meant.
            return x.reshape(x.shape[0], *x.shape[2:], 1).movedim(-1, 1)
        return x.contiguous(memory_format=self.memory_format)

    def quantize(self, features: Sequence[Tensor]) -> Quantized | None:
        """Quantize the last map; None without a quantizer."""
        if self.quantizer is None:
            return None
        quantized: Quantized = self.quantizer(features[-1])
        return quantized

    def decode(self, features: Sequence[Tensor], quantized: Tensor, size: Sequence[int]) -> Tensor:
        """Return logits of ``size`` from the encoder's maps with the last one replaced by ``quantized``."""
        logits: Tensor = self.segmentation_decoder([*features[:-1], quantized], size)
        return logits

    @property
    def staged_decoder(self) -> Decoder:
        """The segmentation decoder, for methods that train on its maps.

        Raises:
            ConfigError: The network's decoder has no maps at increasing resolution.
        """
        if not isinstance(self.segmentation_decoder, Decoder):
            raise ConfigError(_no_stages(self.config))
        return self.segmentation_decoder

    def reconstruct(self, quantized: Tensor, size: Sequence[int]) -> Tensor:
        """Return the reconstructed input ``(B, in_channels, *size)`` from post-quantization features alone."""
        if self.image_decoder is None:
            msg = "this network was built without an image decoder"
            raise RuntimeError(msg)
        image: Tensor = self.image_decoder(quantized, size)
        return image


class ImageDecoder(nn.Module):
    """Image decoder of the dual branch for encoders without stages of their own (a plain convolutional pyramid)."""

    def __init__(self, dim: int, out_channels: int, upscale: int) -> None:
        super().__init__()
        widths = [dim]
        while 2 ** (len(widths) - 1) < upscale:
            widths.append(max(16, widths[-1] // 2))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.InstanceNorm2d(after, affine=True), nn.LeakyReLU())
            for before, after in pairwise(widths)
        )
        self.head = nn.Conv2d(widths[-1], out_channels, 3, padding=1)

    def forward(self, quantized: Tensor, size: Sequence[int]) -> Tensor:
        """Return ``(B, out_channels, *size)`` of ``(B, dim, h, w)``."""
        x = quantized
        for block in self.blocks:
            x = block(F.interpolate(x, scale_factor=2, mode="nearest"))
        out: Tensor = F.interpolate(self.head(x), tuple(size), mode="bilinear")
        return out


class _MirroredImageDecoder(nn.Module):
    """Image decoder that mirrors a convolutional encoder, without skip connections."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, quantized: Tensor, size: Sequence[int]) -> Tensor:
        out: Tensor = self.decoder([quantized] * (len(self.decoder.ups) + 1), size)
        return out


def _build_parts(config: NetworkConfig) -> tuple[nn.Module, nn.Module, nn.Module | None, int]:
    """Return encoder, segmentation decoder, image decoder and the width of the quantized map."""
    spec = config.encoder
    image: nn.Module | None = None
    if not isinstance(spec, Dinov2EncoderConfig):
        encoder, decoder = _STAGES[spec.kind]
        if config.image_decoder:
            image = _MirroredImageDecoder(decoder(config.spatial_dims, config.in_channels, spec, skip=False))
        return encoder(config.spatial_dims, config.in_channels, spec), build_decoder(config), image, spec.channels[-1]
    from VQSegLib.models.dinov2 import Dinov2Encoder
    from VQSegLib.models.dpt import DPTHead

    if config.image_decoder:
        image = ImageDecoder(spec.hidden_size, config.in_channels, spec.patch_size)
    return Dinov2Encoder(spec, config.in_channels), DPTHead(spec, config.num_classes), image, spec.hidden_size


def build_decoder(config: NetworkConfig, upsampling: Upsampling = "transposed") -> Decoder:
    """Build a segmentation decoder for a convolutional encoder, freshly initialized.

    Args:
        config: The network's.
        upsampling: How maps are enlarged.

    Raises:
        ConfigError: The encoder is a vision transformer, which has no such decoder.
    """
    spec = config.encoder
    if isinstance(spec, Dinov2EncoderConfig):
        raise ConfigError(_no_stages(config))
    decoder = _STAGES[spec.kind][1]
    return decoder(config.spatial_dims, config.num_classes, spec, skip=spec.skip, upsampling=upsampling)


def _no_stages(config: NetworkConfig) -> str:
    return (
        f"This method needs a decoder of stages, which network.encoder.kind '{config.encoder.kind}' has not; "
        f"use one of {', '.join(sorted(_STAGES))}."
    )


def compute_size_divisor(config: NetworkConfig) -> tuple[int, ...]:
    """Return the multiple that each side of an input must have, per spatial axis."""
    spec = config.encoder
    if isinstance(spec, ConvEncoderConfig):
        return tuple(prod(stride[axis] for stride in spec.strides) for axis in range(config.spatial_dims))
    side = spec.patch_size if isinstance(spec, Dinov2EncoderConfig) else 2 ** (len(spec.channels) - 1)
    return (side,) * config.spatial_dims


def build_network(config: NetworkConfig) -> VQSegNet:
    """Build the network a configuration describes, freshly initialized."""
    return VQSegNet(config)
