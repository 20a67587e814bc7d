"""Resample slices of the model grid to slices of the input, as they come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from VQSegLib.box import Box, Triple

Plane = tuple[int, slice, slice]
"""Index of a slice and the rows and columns of it, in a canonical ``(K, J, I)`` array."""


@dataclass(frozen=True)
class _AxisInverse:
    """Linear interpolation from the region on the model grid to the output indices whose centre lies in it.

    Attributes:
        first: First output index.
        low: For each output index the region index below it.
        high: The region index above it.
        fraction: Weight of ``high``.
    """

    first: int
    low: npt.NDArray[np.int64]
    high: npt.NDArray[np.int64]
    fraction: npt.NDArray[np.float32]

    @classmethod
    def build(cls, output_side: int, grid_side: int, start: int, stop: int) -> _AxisInverse:
        """Invert the grid rule of :mod:`VQSegLib.inference.resampling` for the grid indices start to stop."""
        place = (np.arange(output_side) + 0.5) * grid_side / output_side - 0.5
        inside = np.flatnonzero((place >= start - 0.5) & (place < stop - 0.5))
        relative = np.clip(place[inside] - start, 0, stop - start - 1)
        low = np.floor(relative).astype(np.int64)
        fraction = (relative - low).astype(np.float32)
        return cls(int(inside[0]) if inside.size else 0, low, low + (fraction > 0), fraction)

    @property
    def output(self) -> slice:
        """Output indices this axis writes."""
        return slice(self.first, self.first + self.low.size)


class SliceResampler:
    """Takes channels of every slice of a region in ascending order and hands out slices of the input's grid.

    Values are interpolated between two slices, then in plane; only one output slice exists at a time.
    """

    def __init__(
        self,
        output_shape_kji: Triple,
        grid_shape_kji: Triple,
        region: Box,
        on_slice: Callable[[Plane, torch.Tensor], None],
    ) -> None:
        """Prepare to resample.

        Args:
            output_shape_kji: Shape of the canonical input.
            grid_shape_kji: Shape of the model grid, which covers the same extent.
            region: Box on the model grid whose slices will come.
            on_slice: Called with place and channels ``(C, J, I)`` of each slice of the input that the region reaches.
        """
        self._first_k = region.start_kji[0]
        self._k, self._j, self._i = (
            _AxisInverse.build(output, side, start, stop)
            for output, side, start, stop in zip(
                output_shape_kji, grid_shape_kji, region.start_kji, region.stop_kji, strict=True
            )
        )
        self._on_slice = on_slice
        self._previous: torch.Tensor | None = None
        self._next_output = 0

    def write(self, grid_k: int, channels: torch.Tensor) -> None:
        """Take the channels ``(C, J, I)`` of the region's slice ``grid_k``."""
        index = grid_k - self._first_k
        while self._next_output < self._k.low.size and self._k.high[self._next_output] <= index:
            self._hand_out(self._next_output, index, channels)
            self._next_output += 1
        self._previous = channels

    def _hand_out(self, number: int, index: int, channels: torch.Tensor) -> None:
        fraction = float(self._k.fraction[number])
        blended = channels
        if self._previous is not None and self._k.low[number] < index:
            blended = torch.lerp(self._previous, channels, fraction)
        plane = (self._k.first + number, self._j.output, self._i.output)
        self._on_slice(plane, _resample_plane(blended, self._j, self._i))


def _resample_plane(channels: torch.Tensor, rows: _AxisInverse, columns: _AxisInverse) -> torch.Tensor:
    # Columns first: picking single elements costs most, and there are fewer before the rows are multiplied.
    for dim, axis in ((2, columns), (1, rows)):
        if axis.low.size == channels.shape[dim] and not axis.fraction.any():
            continue
        low = channels.index_select(dim, torch.from_numpy(axis.low).to(channels.device))
        high = channels.index_select(dim, torch.from_numpy(axis.high).to(channels.device))
        weight = torch.from_numpy(axis.fraction).to(channels.device)
        channels = torch.lerp(low, high, weight[:, None] if dim == 1 else weight)
    return channels
