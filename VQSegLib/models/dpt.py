"""Dense prediction head for a vision transformer (Ranftl et al. 2021, "DPT", arXiv 2103.13413).

Four transformer maps of one scale become a pyramid, which is fused from coarse to fine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name

if TYPE_CHECKING:
    from VQSegLib.models.config import Dinov2EncoderConfig


class DPTHead(nn.Module):
    """Logits from the four maps of :class:`~VQSegLib.models.dinov2.Dinov2Encoder`.

    Args:
        config: ``dpt_channels`` is the width of each map after projection, ``dpt_features`` that of the fused maps.
        num_classes: Background included.
    """

    def __init__(self, config: Dinov2EncoderConfig, num_classes: int) -> None:
        super().__init__()
        channels, width = config.dpt_channels, config.dpt_features
        self.projections = nn.ModuleList(nn.Conv2d(config.hidden_size, c, 1) for c in channels)
        self.resizers = nn.ModuleList(
            [
                nn.ConvTranspose2d(channels[0], channels[0], 4, stride=4),
                nn.ConvTranspose2d(channels[1], channels[1], 2, stride=2),
                nn.Identity(),
                nn.Conv2d(channels[3], channels[3], 3, stride=2, padding=1),
            ]
        )
        self.reducers = nn.ModuleList(nn.Conv2d(c, width, 3, padding=1, bias=False) for c in channels)
        self.fusions = nn.ModuleList(_Fusion(width, has_finer=index < 3) for index in range(4))
        self.output = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, num_classes, 1))

    def forward(self, features: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """Return logits ``(B, num_classes, *size)``.

        Args:
            features: Four ``(B, hidden_size, h, w)`` maps, early to late block.
            size: Height and width of the result, pixels.
        """
        steps = zip(features, self.projections, self.resizers, self.reducers, strict=True)
        pyramid = [reduce(resize(project(x))) for x, project, resize, reduce in steps]
        fused = self.fusions[3](pyramid[3], None, pyramid[2].shape[2:])
        for level in (2, 1, 0):
            finer = pyramid[level - 1].shape[2:] if level else [2 * side for side in pyramid[0].shape[2:]]
            fused = self.fusions[level](fused, pyramid[level], finer)
        return _resize(self.output(fused), size)


class _Fusion(nn.Module):
    """Adds the pyramid map of one level to the coarser result and resizes the sum.

    Args:
        width: Channels of both.
        has_finer: False for the coarsest level, which has nothing to add to.
    """

    def __init__(self, width: int, *, has_finer: bool) -> None:
        super().__init__()
        self.refine_skip: nn.Module | None = _ResidualUnit(width) if has_finer else None
        self.refine_sum = _ResidualUnit(width)
        self.project = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, skip: Tensor | None, size: Sequence[int]) -> Tensor:
        if self.refine_skip is not None:
            x = x + self.refine_skip(skip)
        out: Tensor = self.project(_resize(self.refine_sum(x), size))
        return out


class _ResidualUnit(nn.Module):
    """Pre-activation residual unit of two convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.conv2(F.relu(self.conv1(F.relu(x))))
        return out


def _resize(x: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=True)
