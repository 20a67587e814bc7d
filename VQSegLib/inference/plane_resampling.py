"""From a plane of the model grid to a plane of the input: everywhere by the nearest value, exactly where it matters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Places = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]
"""Rows and columns of some voxels of an output plane."""
Cells = npt.NDArray[np.bool_]
"""``(J, I)``: of each voxel of the model grid the cell between it, the next row and the next column."""
Number = TypeVar("Number", bound=np.generic)
Combine = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class AxisInverse:
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
    def build(cls, output_side: int, grid_side: int, start: int, stop: int) -> AxisInverse:
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

    @property
    def nearest(self) -> npt.NDArray[np.int64]:
        """For each output index the nearest region index."""
        return self.low + (self.fraction > 0.5)

    @property
    def is_between(self) -> bool:
        """Whether any output index lies between two of the region."""
        return bool(self.fraction.any())


class PlaneResampler:
    """Resamples planes ``(J, I)`` of the region by linear interpolation between four neighbours.

    A plane of a scan has ten times the voxels of the model's, and next to all of them lie between four neighbours that
    agree. Where the largest of several channels is the same at all four, it is the largest everywhere between them, so
    only the other places have to be interpolated to know it exactly.

    Attributes:
        output: Rows and columns of the output that the region reaches.
    """

    def __init__(self, rows: AxisInverse, columns: AxisInverse) -> None:
        """Take over what maps the rows and the columns."""
        self._rows, self._columns = rows, columns
        self.output = (rows.output, columns.output)

    def spread(self, plane: npt.NDArray[Number]) -> npt.NDArray[Number]:
        """Return the nearest value of ``(J, I)`` at every voxel of the output."""
        return plane.take(self._rows.nearest, 0).take(self._columns.nearest, 1)

    def mixed(self, classes: npt.NDArray[np.uint8]) -> Cells:
        """Return between which neighbours in ``(J, I)`` not all are alike."""
        return np.asarray(self._combine(classes, np.minimum) != self._combine(classes, np.maximum))

    def touched(self, marked: npt.NDArray[np.bool_]) -> Cells:
        """Return between which neighbours in ``(J, I)`` any is marked."""
        return self._combine(marked, np.logical_or)

    def find(self, cells: Cells) -> Places:
        """Return the output voxels that lie in cells."""
        rows, columns = np.nonzero(cells.take(self._rows.low, 0).take(self._columns.low, 1))
        return rows, columns

    def interpolate(self, channels: Tensor, places: Places) -> Tensor:
        """Return the channels ``(C, n)`` at places from ``(C, J, I)`` on the CPU."""
        side, of_voxel = channels.shape[2], channels.flatten(1).T.contiguous()
        above, below, along_rows = _neighbors(self._rows, places[0])
        low, high, along_columns = _neighbors(self._columns, places[1])

        def at(row: Tensor) -> Tensor:
            first, second = (of_voxel.index_select(0, row * side + column) for column in (low, high))
            return torch.lerp(first, second, along_columns)

        return torch.lerp(at(above), at(below), along_rows).T.contiguous()

    def _combine(self, plane: npt.NDArray[Number], combine: Combine) -> npt.NDArray[Any]:
        """Return of each index the value that it, the next row and the next column make together."""
        if self._rows.is_between:
            plane = np.concatenate([combine(plane[:-1], plane[1:]), plane[-1:]])
        if self._columns.is_between:
            plane = np.concatenate([combine(plane[:, :-1], plane[:, 1:]), plane[:, -1:]], axis=1)
        return plane


def _neighbors(axis: AxisInverse, at: npt.NDArray[np.intp]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the region indices around output indices ``(n,)``, and the weights ``(n, 1)`` of the higher ones."""
    low, high, fraction = (torch.from_numpy(values.take(at)) for values in (axis.low, axis.high, axis.fraction))
    return low, high, fraction[:, None]
