"""Layers in one pass over memory, with batch norm and activation, where the processor's library can."""

from __future__ import annotations

import platform
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name
from torch.nn.utils.fusion import fuse_conv_bn_weights

_X86 = ("x86_64", "AMD64")
_FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}
_CONVOLVE: dict[int, Any] = {4: F.conv2d, 5: F.conv3d}
_TRANSPOSED: dict[int, Any] = {4: F.conv_transpose2d, 5: F.conv_transpose3d}


class FoldedConvolution:
    """A convolution, the batch norm behind it if any, and a leaky ReLU on demand.

    A batch norm that does not learn is a factor and a summand per channel, which the convolution's own weights take
    over (Jacob et al. 2018, arXiv 1712.05877, section 3.2).
    """

    def __init__(self, convolution: Any, norm: nn.Module | None, dtype: torch.dtype) -> None:
        """Fold.

        Args:
            convolution: ``Conv2d`` or ``Conv3d``.
            norm: Batch norm in evaluation mode, or None.
            dtype: Type to compute in.
        """
        weight, bias = _fold(convolution, norm)
        self.weight = weight.to(dtype).contiguous(memory_format=_FORMATS[weight.ndim])
        self.bias = None if bias is None else bias.to(dtype)
        self._settings = (convolution.stride, convolution.padding)
        self._convolve = _CONVOLVE[weight.ndim]
        self._is_fusable = _can_fuse(weight.device, dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """Convolve ``(B, C, *spatial)``."""
        out: Tensor = self._convolve(x, self.weight, self.bias, *self._settings)
        return out

    def activate(self, x: Tensor, slope: float) -> Tensor:
        """Convolve and apply a leaky ReLU, in one pass over memory where that is possible."""
        if not self._is_fusable:
            return F.leaky_relu_(self(x), slope)
        stride, padding = (list(sides) for sides in self._settings)
        out: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, padding, stride, [1] * len(stride), 1, "leaky_relu", [slope], ""
        )
        return out

    def add(self, x: Tensor, other: Tensor) -> Tensor:
        """Convolve and add a map of the same shape, which is not kept."""
        if not self._is_fusable:
            return self(x).add_(other)
        stride, padding = (list(sides) for sides in self._settings)
        out: Tensor = torch.ops.mkldnn._convolution_pointwise.binary(
            x, other, self.weight, self.bias, padding, stride, [1] * len(stride), 1, "add", 1.0, None, [], ""
        )
        return out

    def pad_input(self, channels: int) -> None:
        """Expect that many channels more, all of them zero."""
        pad = (0, 0) * (self.weight.ndim - 2) + (0, channels)
        self.weight = F.pad(self.weight, pad).contiguous(memory_format=_FORMATS[self.weight.ndim])

    def split(self, channels: int) -> tuple[FoldedConvolution, FoldedConvolution]:
        """Return the halves for the first ``channels`` of the input and for the rest; the second one has the bias."""
        first, second = (object.__new__(FoldedConvolution) for _ in range(2))
        for half, weight in ((first, self.weight[:, :channels]), (second, self.weight[:, channels:])):
            half.__dict__.update(self.__dict__)
            half.weight = weight.contiguous(memory_format=_FORMATS[weight.ndim])
        first.bias = None
        return first, second


class Upsampling:
    """A transposed convolution in one type."""

    def __init__(self, convolution: Any, dtype: torch.dtype) -> None:
        """Take over the weights of a ``ConvTranspose2d`` or ``ConvTranspose3d``."""
        self._weight = convolution.weight.detach().to(dtype)
        self._bias = None if convolution.bias is None else convolution.bias.detach().to(dtype)
        self._settings = (convolution.stride, convolution.padding, convolution.output_padding)
        self._convolve = _TRANSPOSED[self._weight.ndim]

    def __call__(self, x: Tensor) -> Tensor:
        """Upsample ``(B, C, *spatial)``."""
        out: Tensor = self._convolve(x, self._weight, self._bias, *self._settings)
        return out


class FoldedLinear:
    """A product of tokens with weights, and with what follows it where the processor's library can."""

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> None:
        """Take over ``(outputs, inputs)`` weights and ``(outputs,)`` biases.

        Args:
            weight: On its device.
            bias: On the same.
            dtype: Type to compute in.
        """
        self._weight, self._bias = weight.to(dtype).contiguous(), bias.to(dtype)
        self._is_fusable = _can_fuse(weight.device, dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """Multiply ``(..., inputs)``."""
        return self._apply(x, "none")

    def gelu(self, x: Tensor) -> Tensor:
        """Multiply and apply a GELU."""
        return self._apply(x, "gelu") if self._is_fusable else F.gelu(self(x))

    def add(self, x: Tensor, other: Tensor) -> Tensor:
        """Multiply and add what has the shape of the result."""
        if not self._is_fusable:
            return self(x).add_(other)
        out: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, other, self._weight, self._bias, "add")
        return out

    def _apply(self, x: Tensor, activation: str) -> Tensor:
        if not self._is_fusable:
            return F.linear(x, self._weight, self._bias)
        # torch adds the bias by copying it to the whole result first.
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, activation, [], "none")
        return out


def to_channels_last(x: Tensor) -> Tensor:
    """Return ``(B, C, *spatial)`` with its channels side by side in memory."""
    return x.contiguous(memory_format=_FORMATS[x.ndim])


def _fold(convolution: Any, norm: Any) -> tuple[Tensor, Tensor | None]:
    weight, bias = convolution.weight.detach(), convolution.bias
    if norm is None:
        return weight, None if bias is None else bias.detach()
    folded, shift = fuse_conv_bn_weights(
        convolution.weight, bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    return folded.detach(), shift.detach()


def _can_fuse(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether oneDNN, as torch's compiler uses it, is there for this type; its names are not public in torch."""
    if device.type != "cpu" or platform.machine() not in _X86 or not torch.backends.mkldnn.is_available():
        return False
    if not hasattr(torch.ops.mkldnn, "_convolution_pointwise") or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    return dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
