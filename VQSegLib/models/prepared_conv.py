"""The convolutional network, prepared for answering: norms folded in, weights in one type, channels last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from VQSegLib.models.code_lookup import CodeLookup
from VQSegLib.models.coded_network import CodedNetwork
from VQSegLib.models.config import ConvEncoderConfig
from VQSegLib.models.folded_layers import FoldedConvolution, Upsampling, to_channels_last
from VQSegLib.models.network import VQSegNet

_SLOPE = 0.01
"""Of the leaky ReLU of MONAI's U-Net blocks."""


class PreparedConvNet(CodedNetwork):
    """Answers as a convolutional :class:`VQSegNet` with batch norm does in evaluation mode, up to rounding."""

    def __init__(self, network: VQSegNet, dtype: torch.dtype) -> None:
        """Fold the network; later changes of its weights are not seen.

        Args:
            network: On its device, see :func:`can_prepare`.
            dtype: Type of weights and maps between layers.
        """
        encoder, decoder = _modules(network)
        self._dtype = dtype
        self._stages = [_Stage(stage, dtype) for stage in encoder.stages]
        # oneDNN has no fast kernel for maps of a single channel; with an empty second one it is six times as fast.
        self._is_padded = network.config.in_channels == 1
        if self._is_padded:
            self._stages[0].pad_input(1)
        self._blocks = [_UpStage(block, dtype, skip=decoder.skip) for block in decoder.ups]
        self._head = FoldedConvolution(decoder.head, None, dtype)
        self.lookup = None if network.quantizer is None else CodeLookup(network.quantizer, dtype)

    def encode(self, images: Tensor) -> list[Tensor]:
        """Return one map per stage, fine to coarse."""
        x = images.to(self._dtype)
        if self._is_padded:
            x = F.pad(x, (0, 0) * (x.ndim - 2) + (0, 1))
        x = to_channels_last(x)
        features = []
        for stage in self._stages:
            x = stage(x)
            features.append(x)
        return features

    def share(self, features: Sequence[Tensor]) -> list[Tensor | None]:
        """Return what all decodes of an image share, from the encoder's maps (fine to coarse).

        Each block first convolves the upsampled map and the encoder's map, stacked. A convolution is linear in its
        input channels, so the encoder's half is computed once, and nothing has to be stacked.
        """
        finer = reversed(features[:-1])
        return [block.convolve_finer(one) for block, one in zip(self._blocks, finer, strict=True)]

    def decode(self, shared: Sequence[Tensor | None], coarsest: Tensor, size: Sequence[int]) -> Tensor:
        """Return logits of ``size`` from what :meth:`share` gave and the coarsest map."""
        x = coarsest
        for block, finer in zip(self._blocks, shared, strict=True):
            x = block(x, finer)
        out = self._head(x)
        if out.shape[2:] != torch.Size(size):
            out = F.interpolate(out, tuple(size), mode="bilinear" if out.ndim == 4 else "trilinear")
        return out


def can_prepare(network: VQSegNet) -> bool:
    """Whether :class:`PreparedConvNet` knows the network's layers."""
    encoder = network.config.encoder
    return isinstance(encoder, ConvEncoderConfig) and encoder.norm == "batch"


class _Stage:
    """A residual block of the encoder."""

    def __init__(self, block: Any, dtype: torch.dtype) -> None:
        self._first = FoldedConvolution(block.conv1.conv, block.norm1, dtype)
        self._second = FoldedConvolution(block.conv2.conv, block.norm2, dtype)
        self._shortcut = FoldedConvolution(block.conv3.conv, block.norm3, dtype) if block.downsample else None

    def pad_input(self, channels: int) -> None:
        for convolution in (self._first, self._shortcut):
            if convolution is not None:
                convolution.pad_input(channels)

    def __call__(self, x: Tensor) -> Tensor:
        shortcut = x if self._shortcut is None else self._shortcut(x)
        return F.leaky_relu_(self._second.add(self._first.activate(x, _SLOPE), shortcut), _SLOPE)


class _UpStage:
    """An upsampling block of the decoder, with or without a map of the encoder beside it."""

    def __init__(self, block: Any, dtype: torch.dtype, *, skip: bool) -> None:
        convolutions = block.conv_block if skip else block.block
        self._upsample = Upsampling(block.transp_conv.conv if skip else block.up, dtype)
        first = FoldedConvolution(convolutions.conv1.conv, convolutions.norm1, dtype)
        self._first: FoldedConvolution = first
        self._of_finer: FoldedConvolution | None = None
        if skip:
            self._first, self._of_finer = first.split(first.weight.shape[1] // 2)
        self._second = FoldedConvolution(convolutions.conv2.conv, convolutions.norm2, dtype)

    def convolve_finer(self, finer: Tensor) -> Tensor | None:
        return None if self._of_finer is None else self._of_finer(finer)

    def __call__(self, x: Tensor, finer: Tensor | None) -> Tensor:
        x = self._upsample(x)
        if finer is None:
            return self._second.activate(self._first.activate(x, _SLOPE), _SLOPE)
        return self._second.activate(F.leaky_relu_(self._first.add(x, finer), _SLOPE), _SLOPE)


def _modules(network: VQSegNet) -> tuple[Any, Any]:
    """Return encoder and decoder as what they are: MONAI's blocks have no useful types."""
    encoder: nn.Module = network.encoder
    decoder: nn.Module = network.segmentation_decoder
    return encoder, decoder
