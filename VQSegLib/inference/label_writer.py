"""Resample logits back to the input's grid, slice by slice, and take the argmax there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from VQSegLib.box import Box, Triple


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


class LabelWriter:
    """Takes blended logits of the region's slices in ascending order and fills a label map.

    Logits, not labels, are interpolated: between two slices, then in plane; so the surface is placed below the size
    of a model voxel, and only one output slice of logits exists at a time.
    """

    def __init__(
        self, label_map: npt.NDArray[np.uint8], grid_shape_kji: Triple, region: Box, values: tuple[int, ...]
    ) -> None:
        """Prepare to write.

        Args:
            label_map: Canonical ``(K, J, I)`` array (may be a view), zero outside what gets written.
            grid_shape_kji: Shape of the model grid, which covers the same extent.
            region: Box on the model grid whose logits will come.
            values: Label value of each network class, background first.
        """
        self._label_map = label_map
        self._first_k = region.start_kji[0]
        self._k, self._j, self._i = (
            _AxisInverse.build(output, side, start, stop)
            for output, side, start, stop in zip(
                label_map.shape, grid_shape_kji, region.start_kji, region.stop_kji, strict=True
            )
        )
        self._values = np.array(values, dtype=np.uint8)
        self._previous: torch.Tensor | None = None
        self._next_output = 0

    def write(self, grid_k: int, logits: torch.Tensor) -> None:
        """Take the logits ``(num_classes, J, I)`` of the region's slice ``grid_k``."""
        index = grid_k - self._first_k
        while self._next_output < self._k.low.size and self._k.high[self._next_output] <= index:
            self._write_output(self._next_output, index, logits)
            self._next_output += 1
        self._previous = logits

    def _write_output(self, number: int, index: int, logits: torch.Tensor) -> None:
        fraction = float(self._k.fraction[number])
        blended = logits
        if self._previous is not None and self._k.low[number] < index:
            blended = torch.lerp(self._previous, logits, fraction)
        # max is several times faster than argmax over the first axis on the CPU.
        classes = _resample_plane(blended, self._j, self._i).max(dim=0).indices
        target = self._label_map[self._k.first + number, self._j.output, self._i.output]
        target[...] = self._values[classes.to(torch.uint8).cpu().numpy()]


def _resample_plane(logits: torch.Tensor, rows: _AxisInverse, columns: _AxisInverse) -> torch.Tensor:
    for dim, axis in ((1, rows), (2, columns)):
        if axis.low.size == logits.shape[dim] and not axis.fraction.any():
            continue
        low = logits.index_select(dim, torch.from_numpy(axis.low).to(logits.device))
        high = logits.index_select(dim, torch.from_numpy(axis.high).to(logits.device))
        weight = torch.from_numpy(axis.fraction).to(logits.device)
        logits = torch.lerp(low, high, weight[:, None] if dim == 1 else weight)
    return logits
