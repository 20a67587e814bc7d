"""What an image and its label map must fulfil before they become a case."""

from __future__ import annotations

import numpy as np

from VQSegLib.errors import ProjectError
from VQSegLib.labels import LabelTable
from VQSegLib.volume import Array, Volume

# Headers of label maps are often written with fewer digits than those of the image.
_CORNER_TOLERANCE_VOXELS = 0.05


def check_image(image: Volume) -> None:
    """Refuse an image that holds values that are not finite.

    Raises:
        ProjectError: One sentence that says what is wrong.
    """
    if not all(np.isfinite(plane).all() for plane in image.array):
        msg = "The image holds values that are not numbers (NaN or infinity); export it again with HU values only."
        raise ProjectError(msg)


def check_label(image: Volume, label: Volume, table: LabelTable) -> Array:
    """Check a label map against its image and the label table.

    Returns:
        The label map as ``(K, J, I)`` uint8.

    Raises:
        ProjectError: Other geometry, values that the table does not list, or no labeled voxel.
    """
    check_same_grid(image, label)
    values = np.unique(label.array)
    unknown = [value for value in values.tolist() if value != 0 and value not in table.values]
    if unknown:
        given = ", ".join(f"{value:g}" for value in unknown[:8])
        msg = (
            f"The label map holds values that the project's label table does not list: {given}; allowed are "
            f"0 (background) and {', '.join(map(str, table.values))}; correct it or start a project with other labels."
        )
        raise ProjectError(msg)
    if not values.any():
        msg = "The label map is empty (background only); add the image without a label map or label at least one voxel."
        raise ProjectError(msg)
    return label.array.astype(np.uint8)


def check_same_grid(image: Volume, label: Volume) -> None:
    """Refuse a label map whose voxels are not the image's voxels.

    Raises:
        ProjectError: The shapes differ, or a corner of the grid lies more than a twentieth of a voxel away.
    """
    if image.array.shape != label.array.shape:
        msg = (
            f"The label map has shape {label.array.shape} and the image {image.array.shape} (slices, rows, columns); "
            "export the label map on the image's own grid."
        )
        raise ProjectError(msg)
    distance_mm = float(np.linalg.norm(_corners_ras_mm(image) - _corners_ras_mm(label), axis=1).max())
    spacing_mm = float(np.linalg.norm(image.affine_ijk_to_ras[:3, :3], axis=0).min())
    if not distance_mm <= _CORNER_TOLERANCE_VOXELS * spacing_mm:
        msg = (
            f"The label map lies elsewhere than the image (corners up to {distance_mm:.3g} mm apart); "
            "export the label map with the image's spacing, origin and direction."
        )
        raise ProjectError(msg)


def _corners_ras_mm(volume: Volume) -> Array:
    """Return the ``(8, 3)`` positions of the corner voxels."""
    last_ijk = np.array(volume.array.shape[::-1]) - 1
    corners_ijk = np.array(list(np.ndindex(2, 2, 2))) * last_ijk
    corners_ras_mm: Array = corners_ijk @ volume.affine_ijk_to_ras[:3, :3].T + volume.affine_ijk_to_ras[:3, 3]
    return corners_ras_mm
