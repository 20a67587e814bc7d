"""Scans to measure with: the demo CT of a real patient, also enlarged to the matrix of a clinical scanner."""

from __future__ import annotations

import numpy as np

from VQSegLib.box import Triple
from VQSegLib.demo import demo_file
from VQSegLib.image_files import load_label_map, load_volume
from VQSegLib.inference.resampling import resample_image
from VQSegLib.volume import Volume


def load_demo_scan() -> Volume:
    """Return the demo CT: 128 x 128 x 128 voxels of a head and neck patient.

    Raises:
        UserError: It is missing from the installation.
    """
    return load_volume(demo_file("image.nii.gz"))


def enlarge(volume: Volume, shape_kji: Triple) -> Volume:
    """Return the same patient on another matrix of the same extent, linearly interpolated, int16 HU."""
    affine = volume.affine_ijk_to_ras.copy()
    for column, (new, old) in enumerate(zip(shape_kji[::-1], volume.shape_kji[::-1], strict=True)):
        affine[:3, column] *= old / new
    # The outer faces stay where they are, so the centre of the first voxel moves.
    shift = [(old / new - 1) / 2 for new, old in zip(shape_kji[::-1], volume.shape_kji[::-1], strict=True)]
    affine[:3, 3] += volume.affine_ijk_to_ras[:3, :3] @ np.array(shift)
    return Volume(resample_image(volume.array, shape_kji), affine)


def load_demo_label_map() -> Volume:
    """Return the clinical contours of the demo CT.

    Raises:
        UserError: They are missing from the installation.
    """
    return load_label_map(demo_file("label.nii.gz"))
