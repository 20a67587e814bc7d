"""Decode many quantized maps beside the same finer maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from VQSegLib.models.conv import ConvDecoder
from VQSegLib.models.network import VQSegNet


class RepeatedDecoder:
    """Segmentation decoder of a network, split into what depends on the codes and what does not.

    Each block of the convolutional decoder first convolves the upsampled map and the encoder's map, stacked. A
    convolution is linear in its input channels, so the encoder's half is computed once per image; a sixth of a decode
    is saved on a CPU. Equal to :meth:`VQSegNet.decode` up to rounding; other decoders are called as they are.
    """

    def __init__(self, network: VQSegNet) -> None:
        """Split the decoder of a network in evaluation mode; later changes of its weights are not seen."""
        self._network = network
        self._decoder: Any = network.segmentation_decoder
        self._splits: list[_SplitBlock] | None = None
        if isinstance(self._decoder, ConvDecoder) and self._decoder.skip:
            self._splits = [_SplitBlock(up, network.memory_format) for up in self._decoder.ups]

    def share(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return what all decodes of an image share, from the encoder's maps (fine to coarse)."""
        if self._splits is None:
            return list(features)
        finer = reversed(features[:-1])
        return [split.convolve_finer(one) for split, one in zip(self._splits, finer, strict=True)]

    def decode(self, shared: Sequence[Tensor], quantized: Tensor, size: Sequence[int]) -> Tensor:
        """Return logits of ``size`` from what :meth:`share` gave and the coarsest map."""
        if self._splits is None:
            return self._network.decode(shared, quantized, size)
        x = quantized
        for split, finer in zip(self._splits, shared, strict=True):
            x = split(x, finer)
        logits: Tensor = self._decoder.classify(x, size)
        return logits


class _SplitBlock:
    """A MONAI up block whose first convolution is cut into its two halves of input channels."""

    def __init__(self, up: Any, layout: torch.memory_format) -> None:
        self._up = up
        convolution: nn.Conv2d | nn.Conv3d = up.conv_block.conv1.conv
        self._convolve = F.conv2d if convolution.weight.ndim == 4 else F.conv3d
        self._padding = convolution.padding
        half = convolution.weight.shape[1] // 2
        self._of_upsampled, self._of_finer = (
            part.detach().contiguous(memory_format=layout) for part in convolution.weight.split(half, dim=1)
        )
        self._bias = convolution.bias

    def convolve_finer(self, finer: Tensor) -> Tensor:
        out: Tensor = self._convolve(finer, self._of_finer, self._bias, padding=self._padding)
        return out

    def __call__(self, x: Tensor, convolved_finer: Tensor) -> Tensor:
        block = self._up.conv_block
        out = self._convolve(self._up.transp_conv(x), self._of_upsampled, padding=self._padding) + convolved_finer
        out = block.lrelu(block.norm1(out))
        answer: Tensor = block.lrelu(block.norm2(block.conv2(out)))
        return answer
