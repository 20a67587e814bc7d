"""Writes NIfTI files slab by slab.

Slicer's own storage nodes write a compressed CT in one go, which stops the window for many seconds.
"""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path
from typing import Iterator, List, Sequence, Tuple

import numpy as np
import vtk

DATATYPES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768}
"""NIfTI's number for each voxel type."""
SLAB_BYTES = 250_000
COMPRESSION = 4
MILLIMETRES, SCANNER = 2, 1
HEADER_BYTES, DATA_OFFSET = 348, 352


def writeNifti(path: Path, array: np.ndarray, affineIjkToRas: Sequence[Sequence[float]]) -> Iterator[float]:
    """Write a compressed file with the voxels as they are; yields the fraction written after each slab.

    Args:
        path: File to write; ends with ``.nii.gz``.
        array: Voxels ``(K, J, I)`` of a type in `DATATYPES`.
        affineIjkToRas: Voxel indices ``(i, j, k, 1)`` to millimetres in RAS.

    Raises:
        OSError: The file cannot be written.
    """
    values = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(-1)
    step = max(1, SLAB_BYTES // array.itemsize)
    with path.open("wb") as file:
        # Without name and time, which gzip would store.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=COMPRESSION, fileobj=file, mtime=0) as stream:
            stream.write(_header(array, affineIjkToRas))
            for first in range(0, len(values), step):
                stream.write(values[first : first + step].tobytes())
                yield min(1.0, (first + step) / len(values))
        file.flush()
        os.fsync(file.fileno())


def _header(array: np.ndarray, affineIjkToRas: Sequence[Sequence[float]]) -> bytes:
    affine = np.array(affineIjkToRas)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    handedness, quaternion = _quaternion(affine[:3, :3] / spacing)
    slices, rows, columns = array.shape
    fields = [
        (0, "i", [HEADER_BYTES]),
        (40, "8h", [3, columns, rows, slices, 1, 1, 1, 1]),
        (70, "2h", [DATATYPES[array.dtype.str[1:]], 8 * array.itemsize]),
        (76, "8f", [handedness, *spacing, 0, 0, 0, 0]),
        (108, "3f", [DATA_OFFSET, 1.0, 0.0]),
        (123, "b", [MILLIMETRES]),
        (252, "2h", [SCANNER, SCANNER]),
        (256, "6f", [*quaternion, *affine[:3, 3]]),
        (280, "12f", affine[:3].ravel().tolist()),
        (344, "4s", [b"n+1\0"]),
    ]
    header = bytearray(DATA_OFFSET)
    for offset, form, numbers in fields:
        struct.pack_into("<" + form, header, offset, *numbers)
    return bytes(header)


def _quaternion(axes: np.ndarray) -> Tuple[float, List[float]]:
    """Return 1 or -1 for right- or left-handed axes, and b, c, d of the rotation to them."""
    handedness = 1.0 if np.linalg.det(axes) > 0 else -1.0
    rotation = axes * [1.0, 1.0, handedness]
    quaternion = [0.0] * 4
    vtk.vtkMath.Matrix3x3ToQuaternion(rotation.tolist(), quaternion)
    sign = -1.0 if quaternion[0] < 0 else 1.0  # readers take a to be positive
    return handedness, [sign * value for value in quaternion[1:]]
