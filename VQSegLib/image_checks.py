"""What a file must be to count as one 3-D volume, and the sentence for the user when it is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the library's own convention

from VQSegLib.errors import VolumeError
from VQSegLib.native_output import native_stderr_in_log
from VQSegLib.scan_checks import MIN_SIDE, has_perpendicular_axes, narrow_voxels, sheared_sentence
from VQSegLib.volume import Volume

_RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0])
_COMPLEX = {sitk.sitkComplexFloat32, sitk.sitkComplexFloat64}


def check_header(reader: sitk.ImageFileReader, path: Path) -> None:
    """Refuse, before any voxel is read, what cannot be one scalar 3-D volume.

    Raises:
        VolumeError: One sentence with the reason.
    """
    size = reader.GetSize()
    if len(size) > 3 and any(side > 1 for side in size[3:]):
        times = "x".join(str(side) for side in size)
        msg = f"'{path}' has {len(size)} dimensions ({times}), but one 3-D volume is needed; export one time point."
        raise VolumeError(msg)
    if len(size) < 3 or min(size[:3]) < MIN_SIDE:
        shown = "x".join(str(side) for side in size)
        msg = (
            f"'{path}' is {shown} voxels large, but a volume needs at least {MIN_SIDE} slices (and as many rows and "
            "columns); load the whole scan."
        )
        raise VolumeError(msg)
    if reader.GetPixelIDValue() in _COMPLEX:
        msg = f"'{path}' holds complex numbers, but one real value a voxel is needed; export the magnitude."
        raise VolumeError(msg)
    if reader.GetNumberOfComponents() != 1:
        msg = (
            f"'{path}' holds {reader.GetNumberOfComponents()} values a voxel (a color image or a vector field), but "
            "one is needed; give the CT itself."
        )
        raise VolumeError(msg)


def truncated_sentence(path: Path) -> str:
    """Return the sentence for a file that ends too early."""
    return f"'{path}' is truncated: it ends before its last voxel; copy or export it again."


@contextmanager
def told_read_errors(path: Path) -> Iterator[None]:
    """Turn what the image library cannot read into one sentence; what it prints goes to the log.

    Args:
        path: File or folder that is read in the body.

    Raises:
        VolumeError: The body raised a RuntimeError, as the library does.
    """
    with native_stderr_in_log(path):
        try:
            yield
        except RuntimeError as error:
            raise VolumeError(_read_error_sentence(error, path)) from error


def _read_error_sentence(error: RuntimeError, path: Path) -> str:
    """Return the sentence for an exception of SimpleITK's readers."""
    text = str(error)
    if "orthonormal" in text or "non-orthogonal" in text:
        return sheared_sentence(f"'{path}'")
    if "Unable to determine ImageIO" in text:
        return f"'{path}' is not an image of the kind its name says (or is damaged); export it again."
    return f"'{path}' cannot be read, it seems damaged or truncated; export or copy it again."


def image_to_volume(image: sitk.Image, path: Path) -> Volume:
    """Turn a SimpleITK image into a :class:`Volume`.

    Raises:
        VolumeError: If values are not finite, or the axes have no length or are not perpendicular.
    """
    while image.GetDimension() > 3:
        image = image[..., 0]
    direction = np.array(image.GetDirection()).reshape(3, 3)
    spacing_ijk = np.array(image.GetSpacing())
    if not (np.isfinite(spacing_ijk).all() and (spacing_ijk > 0).all()):
        msg = f"'{path}' gives a voxel spacing of {tuple(spacing_ijk)} mm, but it must be above 0; correct its header."
        raise VolumeError(msg)
    if not has_perpendicular_axes(direction):
        raise VolumeError(sheared_sentence(f"'{path}'"))
    affine = np.eye(4)
    affine[:3, :3] = _RAS_FROM_LPS @ direction * spacing_ijk
    affine[:3, 3] = _RAS_FROM_LPS @ np.array(image.GetOrigin())
    return Volume(narrow_voxels(sitk.GetArrayFromImage(image), f"'{path}'"), affine)
