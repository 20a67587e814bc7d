"""Which windows are worth decoding again, and how often that may be done."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from VQSegLib.box import Box, Triple
from VQSegLib.inference.windows import WindowList

BLOCK = 8
"""Side of the blocks of model voxels that are told apart into sure and ambiguous; 1 along an axis of 2-D windows."""
_FIRST_DECODE, _NEXT_DECODE = 1.1, 0.5
"""What encoding and decoding a window once costs, and each further decode, in plain passes (convolutional decoder)."""
_RESERVE = 0.1
"""Share of a plain segmentation kept for what is not forward passes."""
_FEWEST_SAMPLES = 2

Blocks = npt.NDArray[np.bool_]


class AmbiguityMap:
    """Remembers coarsely where a scan is ambiguous, whatever its size.

    Attributes:
        blocks: One entry per block of the model grid: whether any voxel in it is ambiguous.
    """

    def __init__(self, shape_kji: Triple, window_kji: Triple) -> None:
        """Start with nothing ambiguous on a model grid of ``shape_kji`` that windows of ``window_kji`` will cover."""
        self._shape, self._window = shape_kji, window_kji
        self._sides = np.minimum(BLOCK, window_kji)
        self.blocks: Blocks = np.zeros(-(-np.array(shape_kji) // self._sides), dtype=np.bool_)

    def mark(self, places_kji: npt.NDArray[np.int64]) -> None:
        """Call the voxels at places ``(n, 3)`` of the model grid ambiguous."""
        self.blocks[tuple((places_kji // self._sides).T)] = True

    def cover(self) -> tuple[Box, WindowList] | None:
        """Lay few windows that hold every ambiguous block; also the box around them; None if nothing is ambiguous."""
        starts = sorted(self._place(found) for found in _cover(self.blocks, np.array(self._window) // self._sides))
        if not starts:
            return None
        first, last = np.min(starts, axis=0), np.max(starts, axis=0) + self._window
        k, j, i = np.maximum(first, 0).tolist()
        region = Box((k, j, i), (int(last[0]), int(last[1]), int(last[2]))).intersection(Box.whole(self._shape))
        return (region or Box.whole(self._shape)), WindowList(self._window, tuple(starts))

    def _place(self, found: npt.NDArray[np.int64]) -> Triple:
        """Return the first index of the window that has blocks ``found`` (first, last) in its middle."""
        first, stop = found[0] * self._sides, (found[1] + 1) * self._sides
        k, j, i = (
            min(max(0, (low + high - window) // 2), side - window) if side > window else (side - window) // 2
            for low, high, window, side in zip(first.tolist(), stop.tolist(), self._window, self._shape, strict=True)
        )
        return k, j, i


def count_affordable_samples(wanted: int, max_cost: float | None, plain_windows: int, chosen_windows: int) -> int:
    """Return how many decodes per chosen window keep the whole below ``max_cost`` plain segmentations.

    Args:
        wanted: Never more than these.
        max_cost: Limit, the segmentation included; None for no limit. Two samples are drawn whatever the limit.
        plain_windows: Windows of the segmentation.
        chosen_windows: Windows to decode again; each is also encoded and decoded once as it is.
    """
    if max_cost is None:
        return wanted
    per_window = (max_cost - 1 - _RESERVE) * plain_windows / chosen_windows
    affordable = int((per_window - _FIRST_DECODE) / _NEXT_DECODE)
    return min(wanted, max(_FEWEST_SAMPLES, affordable))


def _cover(blocks: Blocks, window: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    """Yield first and last block ``(2, 3)`` of what single windows hold; together they hold every block that is set.

    Slab by slab from the lowest block up, and in a slab always the window that holds most of what is left. Finding the
    fewest windows is NP-hard; this is within a window or two of it on scans.
    """
    left = blocks.copy()
    while left.any():
        low = int(np.argmax(left.any(axis=(1, 2))))
        slab = left[low : low + window[0]]
        j, i = _fullest_place(slab.sum(axis=0), window[1:])
        plane = (slice(j, j + window[1]), slice(i, i + window[2]))
        # The slab may be empty here at first: the window goes up to where something is left, and so reaches further.
        low += int(np.argmax(slab[:, *plane].any(axis=(1, 2))))
        within = (slice(low, low + window[0]), *plane)
        places = np.argwhere(left[within]) + np.array((low, j, i))
        left[within] = False
        yield np.stack([places.min(axis=0), places.max(axis=0)])


def _fullest_place(counts: npt.NDArray[np.int64], window: npt.NDArray[np.int64]) -> tuple[int, int]:
    """Return row and column where a window over ``counts`` holds most."""
    total = np.pad(counts, ((1, window[0] - 1), (1, window[1] - 1))).cumsum(axis=0).cumsum(axis=1)
    rows, columns = window
    held = total[rows:, columns:] - total[:-rows, columns:] - total[rows:, :-columns] + total[:-rows, :-columns]
    j, i = np.unravel_index(int(np.argmax(held)), held.shape)
    return int(j), int(i)
