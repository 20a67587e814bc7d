"""What the headers of DICOM files say."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk  # noqa: N813 - the library's own convention

from VQSegLib.errors import VolumeError

MODALITY, PATIENT_ID, SERIES_UID = "0008|0060", "0010|0020", "0020|000e"
POSITION, ORIENTATION = "0020|0032", "0020|0037"
_SOP_CLASS = "0008|0016"
_SEGMENTATION_SOP_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")


def is_dicom_file(path: Path) -> bool:
    """Whether the file has the DICOM signature (``DICM`` after 128 bytes)."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        stream.seek(128)
        return stream.read(4) == b"DICM"


def read_header(file: str) -> sitk.ImageFileReader:
    """Return a reader that has read the header of a file and not its voxels.

    Raises:
        RuntimeError: The file cannot be read.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(file)
    reader.ReadImageInformation()
    return reader


def read_tag(reader: sitk.ImageFileReader, key: str) -> str:
    """Return the text of a tag (``group|element``), empty if it is not there."""
    return str(reader.GetMetaData(key)).strip(" \0") if reader.HasMetaDataKey(key) else ""


def read_place(reader: sitk.ImageFileReader, key: str, count: int) -> list[float]:
    """Return the ``count`` numbers of a slice's position or orientation, LPS.

    Raises:
        VolumeError: They are missing or no numbers.
    """
    try:
        numbers = [float(part) for part in read_tag(reader, key).split("\\")]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        msg = "A slice has no position or direction in the patient, so its place is unknown; export the series again."
        raise VolumeError(msg)
    return numbers


def is_segmentation(reader: sitk.ImageFileReader) -> bool:
    """Whether a file is a segmentation object."""
    return read_tag(reader, _SOP_CLASS) in _SEGMENTATION_SOP_CLASSES or read_tag(reader, MODALITY) == "SEG"
