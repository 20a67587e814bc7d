"""What an image and its label map must fulfil before they become a case."""

from __future__ import annotations

import numpy as np

from VQSegLib.errors import ProjectError
from VQSegLib.labels import LabelTable
from VQSegLib.project.cases import Geometry
from VQSegLib.volume import Array, Volume

# Headers of label maps are often written with fewer digits than those of the image.
_CORNER_TOLERANCE_VOXELS = 0.05


class ConfirmationNeeded(ProjectError):  # noqa: N818 - a question to the user
    """Refused unless the user says that it is meant.

    Attributes:
        question: ``empty`` (a label map without labels), ``overlap`` (structures that share voxels) or ``revision``
            (the scan is labeled already).
    """

    def __init__(self, sentence: str, *, question: str) -> None:
        """Ask ``question``; ``sentence`` says it in words."""
        super().__init__(sentence)
        self.question = question


def check_image(image: Volume) -> None:
    """Refuse an image that holds values that are not finite.

    Raises:
        ProjectError: One sentence that says what is wrong.
    """
    if not all(np.isfinite(plane).all() for plane in image.array):
        msg = "The image holds values that are not numbers (NaN or infinity); export it again with HU values only."
        raise ProjectError(msg)


def check_label(grid: Geometry, label: Volume, table: LabelTable, *, is_empty_meant: bool = False) -> Array:
    """Check a label map against the grid of its image and the label table.

    Returns:
        The label map as ``(K, J, I)`` uint8.

    Raises:
        ProjectError: Other geometry, or values that the table does not list.
        ConfirmationNeeded: No labeled voxel.
    """
    check_same_grid(grid, label)
    values = np.unique(label.array)
    unknown = [value for value in values.tolist() if value != 0 and value not in table.values]
    if unknown:
        given = ", ".join(f"{value:g}" for value in unknown[:8])
        msg = (
            f"The label map holds values that the project's label table does not list: {given}; allowed are "
            f"0 (background) and {', '.join(map(str, table.values))}; correct it or add the label to the table."
        )
        raise ProjectError(msg)
    if not values.any() and not is_empty_meant:
        msg = (
            "The label map is empty (background only); label at least one voxel, or confirm that none of the "
            "structures is in this scan."
        )
        raise ConfirmationNeeded(msg, question="empty")
    return label.array.astype(np.uint8)


def check_same_grid(grid: Geometry, label: Volume) -> None:
    """Refuse a label map whose voxels are not the image's voxels.

    Raises:
        ProjectError: The shapes differ, or a corner of the grid lies more than a twentieth of a voxel away.
    """
    if grid.shape_kji != label.array.shape:
        msg = (
            f"The label map has shape {label.array.shape} and the image {grid.shape_kji} (slices, rows, columns); "
            "export the label map on the image's own grid."
        )
        raise ProjectError(msg)
    affine = np.array(grid.affine_ijk_to_ras)
    last_ijk = np.array(grid.shape_kji[::-1]) - 1
    corners_ijk = np.array([[*(bits * last_ijk), 1.0] for bits in np.ndindex(2, 2, 2)])
    moved_mm = corners_ijk @ (affine - label.affine_ijk_to_ras).T
    distance_mm = float(np.linalg.norm(moved_mm[:, :3], axis=1).max())
    if not distance_mm <= _CORNER_TOLERANCE_VOXELS * min(grid.spacing_mm_kji):
        msg = (
            f"The label map lies elsewhere than the image (corners up to {distance_mm:.3g} mm apart); "
            "export the label map with the image's spacing, origin and direction."
        )
        raise ProjectError(msg)
