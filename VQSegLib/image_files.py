"""Read and write volumes: NIfTI, NRRD, MetaImage, and DICOM series (read only).

Files are in LPS millimetres (ITK, DICOM) or RAS (NIfTI); :class:`Volume` is always RAS. Only voxels and geometry are
written: no DICOM tags, no paths, no descriptions.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the library's own convention

from VQSegLib.atomic_files import written_atomically
from VQSegLib.dicom_files import load_dicom
from VQSegLib.dicom_header import is_dicom_file
from VQSegLib.errors import VolumeError
from VQSegLib.image_checks import check_header, image_to_volume, told_read_errors
from VQSegLib.native_output import native_stderr_in_log
from VQSegLib.nifti_checks import check_nifti
from VQSegLib.volume import Array, Volume

READABLE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".dcm")
WRITABLE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0])


def load_volume(path: Path) -> Volume:
    """Load a CT volume or label map.

    Args:
        path: NIfTI, NRRD or MetaImage file, a folder with one DICOM series, or any file of a DICOM series, which then
            is loaded as a whole from the folder of that file.

    Returns:
        HU (rescale slope and intercept applied) as int16 where that loses nothing, uint8 if stored so.

    Raises:
        VolumeError: One sentence with the reason: missing, damaged, truncated, not an image, not one 3-D volume of
            at least three slices, several components or complex numbers, values that are not finite, uneven slice
            distance, tilted gantry, several series.
    """
    if not path.exists():
        msg = f"'{path}' does not exist; check the name, or give a DICOM folder or a {_listed(READABLE_SUFFIXES)} file."
        raise VolumeError(msg)
    if path.is_dir() or is_dicom_file(path):
        return load_dicom(path)
    _check_suffix(path, READABLE_SUFFIXES, "read")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    with told_read_errors(path):
        reader.ReadImageInformation()
        check_header(reader, path)
        if path.name.lower().endswith((".nii", ".nii.gz")):
            check_nifti(reader, path)
        return image_to_volume(reader.Execute(), path)


def load_label_map(path: Path) -> Volume:
    """Load a label map: like :func:`load_volume`, as uint8, or as int32 when a value is above 255.

    Raises:
        VolumeError: As :func:`load_volume`, or if a value is negative or not a whole number.
    """
    volume = load_volume(path)
    array = volume.array
    if array.dtype == np.uint8:
        return volume
    if array.min() < 0 or (np.issubdtype(array.dtype, np.floating) and not np.array_equal(array, np.rint(array))):
        msg = f"'{path}' is not a label map: its values must be whole numbers from 0; is it the image?"
        raise VolumeError(msg)
    return volume.with_array(array.astype(np.uint8 if array.max() <= 255 else np.int32))


def save_volume(path: Path, volume: Volume) -> None:
    """Write a volume; the name appears when the file is complete, an older file of that name is replaced.

    Raises:
        VolumeError: If the suffix is not one of ``WRITABLE_SUFFIXES``, the folder is missing or cannot be written,
            or the axes are not perpendicular, which these formats cannot hold.
    """
    _check_suffix(path, WRITABLE_SUFFIXES, "written")
    if not path.parent.is_dir():
        msg = f"The folder '{path.parent}' does not exist; create it or choose another place for '{path.name}'."
        raise VolumeError(msg)
    image = _to_image(volume, path)
    try:
        with written_atomically(path, _suffix_of(path)) as temporary, native_stderr_in_log(temporary):
            sitk.WriteImage(image, str(temporary), useCompression=True)
            _check_written(temporary, image)
    except (RuntimeError, OSError) as error:
        msg = f"'{path}' could not be written; check free space and the right to write in '{path.parent}'."
        raise VolumeError(msg) from error


def save_label_map(path: Path, volume: Volume) -> None:
    """Write a label map as uint8; otherwise like :func:`save_volume`.

    Raises:
        VolumeError: As :func:`save_volume`, or if the array is not of an integer type with values 0..255.
    """
    array = volume.array
    if not np.issubdtype(array.dtype, np.integer) or array.min() < 0 or array.max() > 255:
        msg = f"A label map holds whole numbers 0..255, given {array.dtype} from {array.min()} to {array.max()}."
        raise VolumeError(msg)
    save_volume(path, volume.with_array(array.astype(np.uint8, copy=False)))


def _to_image(volume: Volume, path: Path) -> sitk.Image:
    spacing_ijk = volume.spacing_mm_kji[::-1]
    direction = _LPS_FROM_RAS @ volume.affine_ijk_to_ras[:3, :3] / np.array(spacing_ijk)
    if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-4):
        msg = (
            f"'{path}' cannot hold a volume whose axes are not perpendicular; resample it to a rectangular grid first."
        )
        raise VolumeError(msg)
    image = sitk.GetImageFromArray(_writable(volume.array))
    image.SetSpacing(spacing_ijk)
    image.SetDirection(direction.ravel().tolist())
    image.SetOrigin((_LPS_FROM_RAS @ volume.affine_ijk_to_ras[:3, 3]).tolist())
    return image


def _check_written(path: Path, image: sitk.Image) -> None:
    """Read a file back: on a full disk ITK cuts it short without a word."""
    read_back = sitk.ReadImage(str(path))  # kept by name: a view does not keep it alive
    written, expected = sitk.GetArrayViewFromImage(read_back), sitk.GetArrayViewFromImage(image)
    # ITK reads NaN and infinity in NIfTI files as 0.
    finite = np.isfinite(expected) if np.issubdtype(expected.dtype, np.floating) else ...
    if written.shape != expected.shape or not np.array_equal(written[finite], expected[finite]):
        msg = "what was written is not what is read back"
        raise OSError(msg)


def _writable(array: Array) -> Array:
    """Booleans and half floats have no type in these formats."""
    if array.dtype == np.bool_:
        return array.astype(np.uint8)
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _suffix_of(path: Path) -> str:
    name = path.name.lower()
    return next((suffix for suffix in READABLE_SUFFIXES if name.endswith(suffix)), path.suffix)


def _check_suffix(path: Path, allowed: tuple[str, ...], verb: str) -> None:
    if _suffix_of(path) not in allowed:
        msg = f"'{path}' cannot be {verb}: its ending is '{_suffix_of(path)}', known are {_listed(allowed)}."
        raise VolumeError(msg)


def _listed(suffixes: tuple[str, ...]) -> str:
    return f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"
