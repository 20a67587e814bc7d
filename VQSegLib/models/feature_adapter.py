"""Post-VQ feature adapter (the paper's PFA): pulls quantized features towards those of a frozen foundation teacher.

Source: VQ-Seg (arXiv 2601.10124); the loss is the patch-wise InfoNCE of CUT (arXiv 2007.15651).
"""

from __future__ import annotations

import torch
from monai.networks.layers.factories import Conv
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from VQSegLib.errors import ConfigError

MAX_SIMILARITIES = 2**24
"""Similarities held at once (64 MiB in fp32); longer rows of positions are worked off in pieces."""

_LINEAR = {2: "bilinear", 3: "trilinear"}


class FeatureAdapter(nn.Module):
    """Resize to the teacher's grid, then a 1x1(x1) convolution to the teacher's width (the paper's PFA).

    Args:
        dim: Channels of the quantized feature.
        teacher_dim: Channels of the teacher's feature.
        spatial_dims: 2 or 3.

    Raises:
        ConfigError: ``spatial_dims`` is neither 2 nor 3.
    """

    def __init__(self, dim: int, teacher_dim: int, spatial_dims: int) -> None:
        super().__init__()
        if spatial_dims not in _LINEAR:
            msg = f"The feature adapter works in 2 or 3 spatial dimensions, given {spatial_dims}; set it to 2 or 3."
            raise ConfigError(msg)
        self.spatial_dims = spatial_dims
        self.projection: nn.Module = Conv[Conv.CONV, spatial_dims](dim, teacher_dim, kernel_size=1)

    def forward(self, quantized: Tensor, grid: tuple[int, ...]) -> Tensor:
        """Return the adapted feature.

        Args:
            quantized: ``(B, dim, *spatial)`` feature behind the quantizer, spatial = (J, I) or (K, J, I).
            grid: The teacher's grid in the same axis order, ``teacher_features.shape[2:]``.

        Returns:
            ``(B, teacher_dim, *grid)``.

        Raises:
            ConfigError: Feature or grid do not have ``spatial_dims`` axes.
        """
        if len(grid) != self.spatial_dims or quantized.ndim != self.spatial_dims + 2:
            msg = (
                f"The feature adapter was built for {self.spatial_dims} spatial axes, given a feature with "
                f"{quantized.ndim - 2} and a teacher's grid with {len(grid)}; use a matching network."
            )
            raise ConfigError(msg)
        resized = functional.interpolate(quantized, tuple(grid), mode=_LINEAR[self.spatial_dims], align_corners=False)
        adapted: Tensor = self.projection(resized)
        return adapted


def alignment_loss(adapted: Tensor, teacher_features: Tensor, temperature: float = 0.07) -> Tensor:
    """Return the patch-wise InfoNCE between adapted and teacher features (the paper's L_align).

    ``-log(exp(cos(a_i, t_i) / temperature) / sum_j exp(cos(a_i, t_j) / temperature))``, mean over positions ``i``. The
    negatives ``j`` are the other positions of the same image; in 3-D those of the same slice. At chance it is the
    logarithm of the number of positions. Computed in fp32 whatever autocast says; memory stays bounded by
    ``MAX_SIMILARITIES`` in the forward and in the backward pass.

    Args:
        adapted: ``(N, C, J, I)`` or ``(N, C, K, J, I)``, from :class:`FeatureAdapter`; receives the gradient.
        teacher_features: Same shape; taken as a constant.
        temperature: Above 0; the paper does not give it, 0.07 is CUT's.

    Returns:
        Scalar in fp32.

    Raises:
        ConfigError: Shapes differ, or the temperature is not above 0.
    """
    if adapted.shape != teacher_features.shape or adapted.ndim not in (4, 5):
        msg = (
            f"Adapted and teacher features must have one shape (N, C, J, I) or (N, C, K, J, I), given "
            f"{tuple(adapted.shape)} and {tuple(teacher_features.shape)}; adapt to the teacher's grid and width first."
        )
        raise ConfigError(msg)
    if not temperature > 0.0:
        msg = f"The temperature of the alignment loss must be above 0, given {temperature}; 0.07 is the usual value."
        raise ConfigError(msg)
    with torch.autocast(device_type=adapted.device.type, enabled=False):
        queries = _unit_positions(adapted)
        keys = _unit_positions(teacher_features.detach())
        return _info_nce(queries, keys, temperature)


def _unit_positions(features: Tensor) -> Tensor:
    """Return ``(images or slices, positions, C)`` fp32 vectors of length one."""
    channels_last = features.float().movedim(1, -1)
    # eps bounds the gradient where a feature is all but zero
    return functional.normalize(channels_last.flatten(-3, -2).flatten(0, -3), dim=-1, eps=1e-4)


def _info_nce(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Return the mean cross-entropy of every query against the keys of its own image, in pieces of bounded size."""
    groups, positions, _ = queries.shape
    rows = max(1, MAX_SIMILARITIES // (groups * positions))
    if rows >= positions:
        return _summed_cross_entropy(queries, keys, 0, temperature) / (groups * positions)
    total = queries.new_zeros(())
    for start in range(0, positions, rows):
        piece = queries[:, start : start + rows]
        # recomputing a piece in the backward pass is what keeps the similarities of only one piece alive
        total = total + checkpoint(_summed_cross_entropy, piece, keys, start, temperature, use_reentrant=False)
    return total / (groups * positions)


def _summed_cross_entropy(queries: Tensor, keys: Tensor, start: int, temperature: float) -> Tensor:
    """Sum the cross-entropy of ``(G, rows, C)`` queries whose own keys begin at position ``start``."""
    similarities = queries @ keys.transpose(1, 2) / temperature
    own = torch.arange(start, start + queries.shape[1], device=queries.device).expand(queries.shape[0], -1)
    return functional.cross_entropy(similarities.flatten(0, 1), own.flatten(), reduction="sum")
