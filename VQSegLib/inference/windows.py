"""Where the windows of sliding-window inference lie, and how their logits are blended."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import torch

from VQSegLib.box import Box, Triple

_GAUSSIAN_SIGMA = 0.125
"""Standard deviation as a share of the window's side, as in nnU-Net (Isensee et al., Nat. Methods 18:203, 2021)."""

_LEAST_WEIGHT = 0.05
"""Of a window in a list, at its border; the product over three axes can still be divided by in float16."""


def compute_window_starts(side: int, window: int, stride: int) -> tuple[int, ...]:
    """Return the first index of each window along one axis; the last window is clamped to the border.

    There are ``ceil((side - window) / stride) + 1`` windows, one when ``side <= window``.
    """
    if side <= window:
        return (0,)
    count = math.ceil((side - window) / stride) + 1
    return tuple(min(index * stride, side - window) for index in range(count))


def compute_stride(window_kji: Triple, overlap: float) -> Triple:
    """Return the stride for windows that share ``overlap`` of their side with the next one; at least one voxel."""
    k, j, i = (max(1, round(side * (1.0 - overlap))) for side in window_kji)
    return k, j, i


@dataclass(frozen=True)
class WindowGrid:
    """Windows that cover a region of the model grid, slices first.

    Attributes:
        window_kji: Sides of every window.
        starts_kji: First indices of the windows along each axis, on the model grid; negative where padding is needed.
    """

    window_kji: Triple
    starts_kji: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

    def __len__(self) -> int:
        return math.prod(len(starts) for starts in self.starts_kji)

    def __iter__(self) -> Iterator[Triple]:
        """Yield the first index ``(k, j, i)`` of each window, ``k`` ascending."""
        return product(*self.starts_kji)

    def compute_weights(self, device: torch.device) -> tuple[dict[int, torch.Tensor], ...]:
        """Return for each axis the weights of the window at each start; in plane on ``device``, along k on the CPU.

        The weights are Gaussian, and those of all windows add up to one at every voxel: the window grid is a product
        of three axes, so it is enough that they do on each axis. Nothing has to be divided after blending.
        """
        return tuple(
            _normalized_gaussians(starts, window, device if axis else torch.device("cpu"))
            for axis, (starts, window) in enumerate(zip(self.starts_kji, self.window_kji, strict=True))
        )


@dataclass(frozen=True)
class WindowList:
    """Windows anywhere on the model grid; what is blended must carry a channel of ones to be divided by.

    Attributes:
        window_kji: Sides of every window.
        all_starts_kji: First index ``(k, j, i)`` of each window, ``k`` ascending.
    """

    window_kji: Triple
    all_starts_kji: tuple[Triple, ...]

    def __len__(self) -> int:
        return len(self.all_starts_kji)

    def __iter__(self) -> Iterator[Triple]:
        """Yield the first index ``(k, j, i)`` of each window, ``k`` ascending."""
        return iter(self.all_starts_kji)

    def compute_weights(self, device: torch.device) -> tuple[dict[int, torch.Tensor], ...]:
        """Return weights as :meth:`WindowGrid.compute_weights` does; they do not add up to one."""
        return tuple(
            dict.fromkeys(
                (start[axis] for start in self.all_starts_kji),
                _gaussian(side).clamp_min(_LEAST_WEIGHT).to(device if axis else torch.device("cpu"), torch.float32),
            )
            for axis, side in enumerate(self.window_kji)
        )


Windows = WindowGrid | WindowList


def build_window_grid(region: Box, shape_kji: Triple, window_kji: Triple, stride_kji: Triple) -> WindowGrid:
    """Lay windows over a region of an array of ``shape_kji``.

    A region smaller than the window is widened to real voxels around it first and padded, evenly on both sides, only
    where the array itself is too small.
    """
    starts = []
    for start, stop, side, window, stride in zip(
        region.start_kji, region.stop_kji, shape_kji, window_kji, stride_kji, strict=True
    ):
        first, covered = _widened(start, stop, side, window)
        starts.append(tuple(first + offset for offset in compute_window_starts(covered, window, stride)))
    return WindowGrid(window_kji, (starts[0], starts[1], starts[2]))


def _widened(start: int, stop: int, side: int, window: int) -> tuple[int, int]:
    """Return first index and length of what the windows cover along one axis."""
    missing = window - (stop - start)
    if missing <= 0:
        return start, stop - start
    if side <= window:
        return -((window - side) // 2), window
    return min(max(0, start - missing // 2), side - window), window


def _gaussian(window: int) -> torch.Tensor:
    offsets = torch.arange(window, dtype=torch.float64) - (window - 1) / 2
    return torch.exp(-0.5 * (offsets / (_GAUSSIAN_SIGMA * window)) ** 2)


def _normalized_gaussians(starts: tuple[int, ...], window: int, device: torch.device) -> dict[int, torch.Tensor]:
    gaussian = _gaussian(window).clamp_min(1e-3)
    total = torch.zeros(starts[-1] - starts[0] + window, dtype=torch.float64)
    for start in starts:
        total[start - starts[0] :][:window] += gaussian
    return {start: (gaussian / total[start - starts[0] :][:window]).to(device, torch.float32) for start in starts}
