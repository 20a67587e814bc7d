"""Load one CT series from DICOM files, and refuse with a reason what is not one evenly spaced series."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk  # noqa: N813 - the library's own convention

from VQSegLib.dicom_header import SERIES_UID, is_segmentation, read_header, read_tag
from VQSegLib.dicom_series import DicomSeries, choose_series, segmentation_sentence
from VQSegLib.dicom_slices import check_slice_positions
from VQSegLib.errors import VolumeError
from VQSegLib.image_checks import check_header, image_to_volume, told_read_errors
from VQSegLib.volume import Volume


def load_dicom(path: Path) -> Volume:
    """Load a DICOM series in HU.

    Args:
        path: Folder with one image series, or one file: a multi-frame object, or any file of the wanted series.

    Raises:
        VolumeError: No DICOM or no image in it, several series, a segmentation object, fewer than three slices,
            missing slices, uneven distance, tilted gantry, damaged files.
    """
    with told_read_errors(path):
        return _load_folder(path, path) if path.is_dir() else _load_from_file(path)


def _load_from_file(path: Path) -> Volume:
    reader = read_header(str(path))
    if is_segmentation(reader):
        raise VolumeError(segmentation_sentence(path))
    if len(reader.GetSize()) >= 3 and reader.GetSize()[2] > 1:
        check_header(reader, path)
        return image_to_volume(reader.Execute(), path)
    return _load_folder(path.parent, path, read_tag(reader, SERIES_UID))


def _load_folder(folder: Path, asked: Path, uid: str | None = None) -> Volume:
    return _load_series(choose_series(folder, asked, uid), asked)


def _load_series(series: DicomSeries, asked: Path) -> Volume:
    if len(series.files) == 1:
        reader = read_header(series.files[0])
        check_header(reader, asked)
        return image_to_volume(reader.Execute(), asked)
    if len(series.files) < 3:
        msg = f"'{asked}' has {len(series.files)} slices, but a volume needs at least 3; load the whole scan."
        raise VolumeError(msg)
    readers = [read_header(file) for file in series.files]
    check_slice_positions(readers, asked)
    stack = sitk.ImageSeriesReader()
    stack.SetFileNames(series.files)
    image = stack.Execute()
    if image.GetNumberOfComponentsPerPixel() != 1:
        msg = f"'{asked}' is a color series, but one value a voxel is needed; give the CT itself."
        raise VolumeError(msg)
    return image_to_volume(image, asked)
