"""A scalar volume or label map in physical space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from VQSegLib.errors import VolumeError

Array = npt.NDArray[Any]
AFFINE_TOLERANCE_MM = 1e-3
"""Largest distance between two corners that still counts as the same place; NIfTI stores float32."""


@dataclass(frozen=True)
class Volume:
    """Voxels with their place in the patient.

    Attributes:
        array: Voxels in ``(K, J, I)`` order: ``array[k, j, i]`` is voxel ``(i, j, k)``. CT values are in HU.
        affine_ijk_to_ras: ``(4, 4)`` float64 matrix from voxel indices ``(i, j, k, 1)`` to millimetres in the RAS
            frame (+x is the patient's Right, +y Anterior, +z Superior, as in NIfTI and Slicer).

    Raises:
        VolumeError: If the array is not 3-D or empty, or the matrix is not an invertible ``(4, 4)`` affine matrix.
    """

    array: Array
    affine_ijk_to_ras: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.array.ndim != 3 or self.array.size == 0:
            msg = f"A volume needs three axes (slice, row, column) with voxels, given shape {self.array.shape}."
            raise VolumeError(msg)
        affine = self.affine_ijk_to_ras
        regular = affine.shape == (4, 4) and np.isfinite(affine).all() and np.allclose(affine[3], (0, 0, 0, 1))
        if not regular or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
            msg = f"The geometry needs an invertible 4x4 matrix with last row 0 0 0 1, given {affine.tolist()}."
            raise VolumeError(msg)

    @property
    def shape_kji(self) -> tuple[int, int, int]:
        """Number of slices, rows and columns."""
        slices, rows, columns = self.array.shape
        return slices, rows, columns

    @property
    def spacing_mm_kji(self) -> tuple[float, float, float]:
        """Distance between voxel centres along the slice, row and column axes, in mm."""
        i, j, k = np.linalg.norm(self.affine_ijk_to_ras[:3, :3], axis=0)
        return float(k), float(j), float(i)

    def with_array(self, array: Array) -> Volume:
        """Return ``array`` (same shape) in the same geometry.

        Raises:
            VolumeError: If the shape differs.
        """
        if array.shape != self.array.shape:
            msg = f"An array of shape {array.shape} does not fit the geometry of a volume of shape {self.shape_kji}."
            raise VolumeError(msg)
        return Volume(array, self.affine_ijk_to_ras)

    def has_geometry_of(self, other: Volume) -> bool:
        """Whether both have the same shape and every corner lies at the same place."""
        if self.shape_kji != other.shape_kji:
            return False
        last_ijk = np.array(self.shape_kji[::-1]) - 1
        corners = np.array([[*(last_ijk * bits), 1] for bits in np.ndindex(2, 2, 2)], dtype=np.float64)
        moved_mm = corners @ (self.affine_ijk_to_ras - other.affine_ijk_to_ras).T
        return bool(np.abs(moved_mm).max() <= AFFINE_TOLERANCE_MM)
