"""Load one CT series from DICOM files, and refuse with a reason what is not one evenly spaced series."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the library's own convention

from VQSegLib.errors import VolumeError
from VQSegLib.image_checks import check_header, image_to_volume, read_error_sentence
from VQSegLib.native_output import native_stderr_in_log
from VQSegLib.scan_checks import sheared_sentence
from VQSegLib.volume import Volume

_SOP_CLASS, _MODALITY, _PATIENT_ID = "0008|0016", "0008|0060", "0010|0020"
_SERIES_UID, _POSITION, _ORIENTATION = "0020|000e", "0020|0032", "0020|0037"
_SEGMENTATION_SOP_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_NOT_IMAGE_MODALITIES = ("SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "SR", "PR", "KO", "REG")
_POSITION_TOLERANCE = 0.1
"""Largest distance of a slice from its even place, as a share of the slice distance; rounded headers reach 0.08."""


@dataclass(frozen=True)
class DicomSeries:
    """One series in a folder.

    Attributes:
        uid: Series instance UID.
        files: Its files, in the order of the slices.
        modality: For example CT.
        is_segmentation: Whether it is a segmentation object.
        patient: Patient's id, empty if it has none; must not be stored.
    """

    uid: str
    files: tuple[str, ...]
    modality: str
    is_segmentation: bool
    patient: str


def is_dicom_file(path: Path) -> bool:
    """Whether the file has the DICOM signature (``DICM`` after 128 bytes)."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        stream.seek(128)
        return stream.read(4) == b"DICM"


def load_dicom(path: Path) -> Volume:
    """Load a DICOM series in HU.

    Args:
        path: Folder with one image series, or one file: a multi-frame object, or any file of the wanted series.

    Raises:
        VolumeError: No DICOM or no image in it, several series, a segmentation object, fewer than three slices,
            missing slices, uneven distance, tilted gantry, damaged files.
    """
    with native_stderr_in_log(path):
        try:
            return _load_folder(path, path) if path.is_dir() else _load_from_file(path)
        except RuntimeError as error:
            raise VolumeError(read_error_sentence(error, path)) from error


def find_series(path: Path) -> DicomSeries:
    """Return the series that :func:`load_dicom` loads from a folder or from a file of a series with a file a slice.

    Raises:
        VolumeError: As :func:`load_dicom`.
    """
    with native_stderr_in_log(path):
        try:
            if path.is_dir():
                return _choose_series(path, path, None)
            return _choose_series(path.parent, path, _tag(_read_header(str(path)), _SERIES_UID))
        except RuntimeError as error:
            raise VolumeError(read_error_sentence(error, path)) from error


def _load_from_file(path: Path) -> Volume:
    reader = _read_header(str(path))
    if _is_segmentation(reader):
        raise VolumeError(_segmentation_sentence(path))
    if len(reader.GetSize()) >= 3 and reader.GetSize()[2] > 1:
        check_header(reader, path)
        return image_to_volume(reader.Execute(), path)
    return _load_folder(path.parent, path, _tag(reader, _SERIES_UID))


def _load_folder(folder: Path, asked: Path, uid: str | None = None) -> Volume:
    return _load_series(_choose_series(folder, asked, uid), asked)


def _choose_series(folder: Path, asked: Path, uid: str | None) -> DicomSeries:
    series = _find_series(folder)
    images = [one for one in series if _holds_image(one)]
    if uid is not None:
        images = [one for one in images if one.uid == uid]
    if not series:
        msg = (
            f"The folder '{asked}' holds no DICOM file; give the folder of the CT series or a NIfTI, NRRD or MHA file."
        )
        raise VolumeError(msg)
    if not images:
        if any(one.is_segmentation for one in series):
            raise VolumeError(_segmentation_sentence(asked))
        msg = f"'{asked}' holds DICOM files without images ({series[0].modality}); give the folder of the CT series."
        raise VolumeError(msg)
    if len(images) > 1:
        counts = "; ".join(f"{len(one.files)} {one.modality} files with {Path(one.files[0]).name}" for one in images)
        msg = f"The folder '{asked}' holds {len(images)} series ({counts}); choose one by giving any one file of it."
        raise VolumeError(msg)
    _check_none_damaged(folder, asked, series)
    return images[0]


def find_image_series(folder: Path) -> list[DicomSeries]:
    """Return the image series in a folder; its subfolders are not searched.

    Raises:
        VolumeError: A DICOM file cannot be read.
    """
    with native_stderr_in_log(folder):
        try:
            return [one for one in _find_series(folder) if _holds_image(one)]
        except RuntimeError as error:
            raise VolumeError(read_error_sentence(error, folder)) from error


def _holds_image(series: DicomSeries) -> bool:
    return not series.is_segmentation and series.modality not in _NOT_IMAGE_MODALITIES


def _find_series(folder: Path) -> list[DicomSeries]:
    series = []
    for uid in sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder)):
        files = tuple(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid))
        reader = _read_header(files[0])
        series.append(
            DicomSeries(uid, files, _tag(reader, _MODALITY), _is_segmentation(reader), _tag(reader, _PATIENT_ID))
        )
    return series


def _check_none_damaged(folder: Path, asked: Path, series: list[DicomSeries]) -> None:
    """GDCM leaves out files it cannot parse, so a damaged last slice would be missed silently."""
    known = {Path(file).name for one in series for file in one.files}
    for path in sorted(folder.iterdir()):
        if path.name not in known and path.name.upper() != "DICOMDIR" and is_dicom_file(path):
            msg = f"'{asked}' holds a DICOM file that cannot be read ('{path.name}'); copy or export the series again."
            raise VolumeError(msg)


def _load_series(series: DicomSeries, asked: Path) -> Volume:
    if len(series.files) == 1:
        reader = _read_header(series.files[0])
        check_header(reader, asked)
        return image_to_volume(reader.Execute(), asked)
    if len(series.files) < 3:
        msg = f"'{asked}' has {len(series.files)} slices, but a volume needs at least 3; load the whole scan."
        raise VolumeError(msg)
    readers = [_read_header(file) for file in series.files]
    _check_slice_positions(readers, asked)
    stack = sitk.ImageSeriesReader()
    stack.SetFileNames(series.files)
    image = stack.Execute()
    if image.GetNumberOfComponentsPerPixel() != 1:
        msg = f"'{asked}' is a color series, but one value a voxel is needed; give the CT itself."
        raise VolumeError(msg)
    return image_to_volume(image, asked)


def _check_slice_positions(readers: list[sitk.ImageFileReader], asked: Path) -> None:
    """Refuse a series whose slices are not stacked evenly along their normal."""
    sizes = {reader.GetSize()[:2] for reader in readers}
    orientations = np.array([_numbers(reader, _ORIENTATION, 6) for reader in readers])
    if len(sizes) > 1 or np.abs(orientations - orientations[0]).max() > 1e-3:
        msg = f"'{asked}' mixes slices of different size or direction (a localizer?); keep only the files of the scan."
        raise VolumeError(msg)
    positions = np.array([_numbers(reader, _POSITION, 3) for reader in readers])
    offsets = positions - positions[0]
    step = offsets[-1] / (len(readers) - 1)
    distance = float(np.linalg.norm(step))
    if distance < 1e-3 or _has_twins(positions, distance):
        msg = f"'{asked}' has several slices at one position (phases or repeats?); keep only the files of one scan."
        raise VolumeError(msg)
    normal = np.cross(orientations[0, :3], orientations[0, 3:])
    off_normal = float(np.linalg.norm(offsets[-1] - (offsets[-1] @ normal) * normal))
    if off_normal > _POSITION_TOLERANCE * distance * max(1.0, len(readers) / 100):
        raise VolumeError(sheared_sentence(f"'{asked}'"))
    uneven = np.linalg.norm(offsets - np.arange(len(readers))[:, None] * step, axis=1)
    if uneven.max() > _POSITION_TOLERANCE * distance:
        gaps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
        msg = (
            f"'{asked}' has slices at uneven distances ({gaps.min():.2f} to {gaps.max():.2f} mm; missing slices?), so "
            "places would be wrong; complete the series or resample it to even slices first."
        )
        raise VolumeError(msg)


def _has_twins(positions: np.ndarray[tuple[int, int], np.dtype[np.float64]], distance: float) -> bool:
    gaps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    return bool(gaps.min() < 0.01 * distance)


def _read_header(file: str) -> sitk.ImageFileReader:
    reader = sitk.ImageFileReader()
    reader.SetFileName(file)
    reader.ReadImageInformation()
    return reader


def _tag(reader: sitk.ImageFileReader, key: str) -> str:
    return str(reader.GetMetaData(key)).strip(" \0") if reader.HasMetaDataKey(key) else ""


def _numbers(reader: sitk.ImageFileReader, key: str, count: int) -> list[float]:
    try:
        numbers = [float(part) for part in _tag(reader, key).split("\\")]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        msg = "A slice has no position or direction in the patient, so its place is unknown; export the series again."
        raise VolumeError(msg)
    return numbers


def _is_segmentation(reader: sitk.ImageFileReader) -> bool:
    return _tag(reader, _SOP_CLASS) in _SEGMENTATION_SOP_CLASSES or _tag(reader, _MODALITY) == "SEG"


def _segmentation_sentence(path: Path) -> str:
    return f"'{path}' is a DICOM segmentation object, not an image; give the CT series it was drawn on."
