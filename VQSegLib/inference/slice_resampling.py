"""Interpolate between slices of the model grid, as they come, at the slices of the input."""

from __future__ import annotations

from collections.abc import Callable

import torch

from VQSegLib.box import Box, Triple
from VQSegLib.inference.plane_resampling import AxisInverse, PlaneResampler


class SliceResampler:
    """Takes channels of every slice of a region in ascending order and hands them out where slices of the input lie.

    What is handed out still has the rows and columns of the region; only one slice of it exists at a time.

    Attributes:
        plane: Resamples what is handed out to the rows and columns of the input.
    """

    def __init__(
        self,
        output_shape_kji: Triple,
        grid_shape_kji: Triple,
        region: Box,
        on_slice: Callable[[int, torch.Tensor], None],
    ) -> None:
        """Prepare to resample.

        Args:
            output_shape_kji: Shape of the canonical input.
            grid_shape_kji: Shape of the model grid, which covers the same extent.
            region: Box on the model grid whose slices will come.
            on_slice: Called with the index of each slice of the input that the region reaches, and the channels
                ``(C, J, I)`` there.
        """
        self._first_k = region.start_kji[0]
        self._k, rows, columns = (
            AxisInverse.build(output, side, start, stop)
            for output, side, start, stop in zip(
                output_shape_kji, grid_shape_kji, region.start_kji, region.stop_kji, strict=True
            )
        )
        self.plane = PlaneResampler(rows, columns)
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
        self._on_slice(self._k.first + number, blended)
