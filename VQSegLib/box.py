"""An axis-aligned box of voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from VQSegLib.errors import UserError

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Box:
    """Half-open box of voxel indices in ``(k, j, i)`` order: ``start_kji <= index < stop_kji``.

    Raises:
        UserError: If the box holds no voxel.
    """

    start_kji: Triple
    stop_kji: Triple

    def __post_init__(self) -> None:
        if any(stop <= start for start, stop in zip(self.start_kji, self.stop_kji, strict=True)):
            msg = f"The box from {self.start_kji} to {self.stop_kji} (k, j, i) holds no voxel; stop must exceed start."
            raise UserError(msg)

    @classmethod
    def whole(cls, shape_kji: Triple) -> Box:
        """Return the box of all voxels of an array of this shape."""
        return cls((0, 0, 0), shape_kji)

    @classmethod
    def around(cls, array: npt.NDArray[Any]) -> Box | None:
        """Return the smallest box of what is not zero in a ``(K, J, I)`` array, or None when there is nothing."""
        starts, stops, rest = [], [], array
        for axis in range(3):
            others = tuple(other for other in range(3) if other != axis)
            found = np.flatnonzero(rest.any(axis=others))
            if not found.size:
                return None
            starts.append(int(found[0]))
            stops.append(int(found[-1]) + 1)
            # The axes to come are searched within what is left.
            rest = rest[(slice(None),) * axis + (slice(starts[-1], stops[-1]),)]
        return cls((starts[0], starts[1], starts[2]), (stops[0], stops[1], stops[2]))

    def moved(self, offset_kji: Triple) -> Box:
        """Return the box moved along each axis."""
        k, j, i = offset_kji
        (k0, j0, i0), (k1, j1, i1) = self.start_kji, self.stop_kji
        return Box((k0 + k, j0 + j, i0 + i), (k1 + k, j1 + j, i1 + i))

    @property
    def shape_kji(self) -> Triple:
        """Number of voxels along each axis."""
        k, j, i = (stop - start for start, stop in zip(self.start_kji, self.stop_kji, strict=True))
        return k, j, i

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Index that cuts the box out of a ``(K, J, I)`` array."""
        k, j, i = (slice(start, stop) for start, stop in zip(self.start_kji, self.stop_kji, strict=True))
        return k, j, i

    def grown(self, margin_kji: Triple, shape_kji: Triple) -> Box:
        """Return the box grown by a margin on both sides of each axis, cut at an array of ``shape_kji``."""
        k0, j0, i0 = (max(0, start - margin) for start, margin in zip(self.start_kji, margin_kji, strict=True))
        grown = (stop + margin for stop, margin in zip(self.stop_kji, margin_kji, strict=True))
        k1, j1, i1 = (min(stop, side) for stop, side in zip(grown, shape_kji, strict=True))
        return Box((k0, j0, i0), (k1, j1, i1))

    def intersection(self, other: Box) -> Box | None:
        """Return the common voxels of both boxes, or None when there are none."""
        k0, j0, i0 = (max(pair) for pair in zip(self.start_kji, other.start_kji, strict=True))
        k1, j1, i1 = (min(pair) for pair in zip(self.stop_kji, other.stop_kji, strict=True))
        if k1 <= k0 or j1 <= j0 or i1 <= i0:
            return None
        return Box((k0, j0, i0), (k1, j1, i1))
