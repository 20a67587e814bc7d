"""Blend the logits of overlapping windows, holding only the slices that windows still reach."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from VQSegLib.box import Box, Triple

_HALF_PRECISION_ABOVE_BYTES = 1 << 30


class SliceBlender:
    """Sum of weighted logits per slice.

    MONAI's sliding window keeps logits of the whole volume (5 GB for eight classes of 512 x 512 x 600); here a slice
    is handed out and freed as soon as no later window reaches it.

    Attributes:
        device: Where the sum lives.
    """

    def __init__(self, region: Box, num_classes: int, window_depth: int, device: torch.device) -> None:
        """Prepare an empty sum.

        Args:
            region: Voxels whose logits are wanted; windows may reach beyond.
            num_classes: Number of network classes.
            window_depth: Slices of a window: about as many are held at a time, in float16 if they exceed 1 GiB.
            device: Where the sum lives.
        """
        self._region = region
        _, rows, columns = region.shape_kji
        self._slice_shape = (num_classes, rows, columns)
        held_bytes = num_classes * rows * columns * window_depth * 4
        self._dtype = torch.float16 if held_bytes > _HALF_PRECISION_ABOVE_BYTES else torch.float32
        self.device = device
        self._slices: dict[int, torch.Tensor] = {}

    def add(self, start_kji: Triple, logits: torch.Tensor, weights_kji: tuple[torch.Tensor, ...]) -> None:
        """Add one window.

        Args:
            start_kji: First index of the window.
            logits: ``(num_classes, K, J, I)`` logits of the window.
            weights_kji: Blending weights of the window along each axis.
        """
        window = Box(start_kji, _plus(start_kji, (logits.shape[1], logits.shape[2], logits.shape[3])))
        common = window.intersection(self._region)
        if common is None:
            return
        in_window, in_region = _relative(common, start_kji), _relative(common, self._region.start_kji)
        weights_k, weights_j, weights_i = (
            weights[part] for weights, part in zip(weights_kji, in_window.slices, strict=True)
        )
        part = logits[(slice(None), *in_window.slices)] * (weights_j[:, None] * weights_i[None, :])
        for offset, weight in enumerate(weights_k.tolist()):
            total = self._slice(common.start_kji[0] + offset)
            total[(slice(None), *in_region.slices[1:])].add_(part[:, offset], alpha=weight)

    def pop_below(self, stop_k: int) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield and forget the slices below ``stop_k``, ascending: index and ``(num_classes, J, I)`` float32 logits."""
        for index in sorted(index for index in self._slices if index < stop_k):
            yield index, self._slices.pop(index).float()

    def _slice(self, index: int) -> torch.Tensor:
        if index not in self._slices:
            self._slices[index] = torch.zeros(self._slice_shape, dtype=self._dtype, device=self.device)
        return self._slices[index]


def _plus(start: Triple, shape: Triple) -> Triple:
    return start[0] + shape[0], start[1] + shape[1], start[2] + shape[2]


def _relative(box: Box, origin: Triple) -> Box:
    k, j, i = (-offset for offset in origin)
    return Box(_plus(box.start_kji, (k, j, i)), _plus(box.stop_kji, (k, j, i)))
