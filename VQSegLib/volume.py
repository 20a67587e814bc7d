"""A scalar volume or label map in physical space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Volume:
    """Voxels with their place in the patient.

    Attributes:
        array: Voxels in ``(K, J, I)`` order: ``array[k, j, i]`` is voxel ``(i, j, k)``. CT values are in HU.
        affine_ijk_to_ras: ``(4, 4)`` float64 matrix from voxel indices ``(i, j, k, 1)`` to millimetres in the RAS
            frame (+x is the patient's Right, +y Anterior, +z Superior, as in NIfTI and Slicer).
    """

    array: Array
    affine_ijk_to_ras: npt.NDArray[np.float64]
