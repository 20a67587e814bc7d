"""The DICOM series of a folder, and which of them is meant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk  # noqa: N813 - the library's own convention

from VQSegLib.dicom_header import (
    MODALITY,
    PATIENT_ID,
    SERIES_UID,
    is_dicom_file,
    is_segmentation,
    read_header,
    read_tag,
)
from VQSegLib.errors import VolumeError
from VQSegLib.image_checks import told_read_errors

_NOT_IMAGE_MODALITIES = ("SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "SR", "PR", "KO", "REG")


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


def find_series(path: Path) -> DicomSeries:
    """Return the series that :func:`~VQSegLib.dicom_files.load_dicom` loads, of those with a file a slice.

    Args:
        path: Folder, or any file of the series.

    Raises:
        VolumeError: As :func:`choose_series`, or the file cannot be read.
    """
    with told_read_errors(path):
        if path.is_dir():
            return choose_series(path, path, None)
        return choose_series(path.parent, path, read_tag(read_header(str(path)), SERIES_UID))


def find_image_series(folder: Path) -> list[DicomSeries]:
    """Return the image series in a folder; its subfolders are not searched.

    Raises:
        VolumeError: A DICOM file cannot be read.
    """
    with told_read_errors(folder):
        return [one for one in _find_series(folder) if _holds_image(one)]


def choose_series(folder: Path, asked: Path, uid: str | None) -> DicomSeries:
    """Return the one image series of a folder.

    Args:
        folder: Folder with DICOM files.
        asked: What the user asked for.
        uid: The series that is wanted; None where there must be only one.

    Raises:
        VolumeError: No DICOM or no image in it, several series, a segmentation object, damaged files.
        RuntimeError: A file cannot be read.
    """
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
            raise VolumeError(segmentation_sentence(asked))
        msg = f"'{asked}' holds DICOM files without images ({series[0].modality}); give the folder of the CT series."
        raise VolumeError(msg)
    if len(images) > 1:
        counts = "; ".join(f"{len(one.files)} {one.modality} files with {Path(one.files[0]).name}" for one in images)
        msg = f"The folder '{asked}' holds {len(images)} series ({counts}); choose one by giving any one file of it."
        raise VolumeError(msg)
    _check_none_damaged(folder, asked, series)
    return images[0]


def segmentation_sentence(path: Path) -> str:
    """Return the sentence for a segmentation object where an image is needed."""
    return f"'{path}' is a DICOM segmentation object, not an image; give the CT series it was drawn on."


def _holds_image(series: DicomSeries) -> bool:
    return not series.is_segmentation and series.modality not in _NOT_IMAGE_MODALITIES


def _find_series(folder: Path) -> list[DicomSeries]:
    series = []
    for uid in sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder)):
        files = tuple(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid))
        reader = read_header(files[0])
        series.append(
            DicomSeries(uid, files, read_tag(reader, MODALITY), is_segmentation(reader), read_tag(reader, PATIENT_ID))
        )
    return series


def _check_none_damaged(folder: Path, asked: Path, series: list[DicomSeries]) -> None:
    """GDCM leaves out files it cannot parse, so a damaged last slice would be missed silently."""
    known = {Path(file).name for one in series for file in one.files}
    for path in sorted(folder.iterdir()):
        if path.name not in known and path.name.upper() != "DICOMDIR" and is_dicom_file(path):
            msg = f"'{asked}' holds a DICOM file that cannot be read ('{path.name}'); copy or export the series again."
            raise VolumeError(msg)
