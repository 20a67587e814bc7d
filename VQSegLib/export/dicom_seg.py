"""DICOM segmentation objects for cases that came from DICOM, by highdicom (extra ``dicom``).

The project stores nothing that tells which series a case came from, so the user gives the series again; its voxels
must be those of the case.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from VQSegLib import __version__
from VQSegLib.atomic_files import written_atomically
from VQSegLib.dicom_files import load_dicom
from VQSegLib.dicom_series import find_series
from VQSegLib.errors import ProjectError, UserError
from VQSegLib.export.new_output import check_new
from VQSegLib.export.results import ExportReport
from VQSegLib.labels import Code, Label
from VQSegLib.project.cases import CaseRecord, LabelRevision, Split
from VQSegLib.project.folder import Project
from VQSegLib.project.hashes import hash_voxels
from VQSegLib.project.writing import told_failures
from VQSegLib.volume import Array

if TYPE_CHECKING:
    from highdicom.seg import Segmentation, SegmentDescription

_CATEGORY = Code(scheme="SCT", value="123037004", meaning="Anatomical Structure")
_TYPE = Code(scheme="SCT", value="85756007", meaning="Tissue")
"""What Slicer uses, too, for a structure without a code."""
_ALGORITHM = {"imported": "MANUAL", "corrected": "SEMIAUTOMATIC", "predicted": "AUTOMATIC"}
_SERIES_NUMBER = 1000


def export_dicom_seg(project: Project, case_id: str, series: Path, output: Path) -> ExportReport:
    """Write the latest label map of a case as a DICOM segmentation object of the series it was drawn on.

    The object carries the patient's name and number from the series, as DICOM wants it.

    Args:
        project: Project.
        case_id: Case whose image is that series.
        series: Folder of the series, or one of its files.
        output: File to make (.dcm).

    Raises:
        UserError: The extra is not installed, the series is not the image of the case, or nothing can be written.
    """
    _require_highdicom()
    check_new(output)
    record = project.case(case_id)
    label_map = project.load_label(case_id).array
    files = _matching_files(record, series)
    used = [label for label in project.labels.labels if (label_map == label.value).any()]
    if not used:
        msg = f"The label map of case '{case_id}' is empty, and a DICOM segmentation needs at least one structure."
        raise ProjectError(msg)
    dataset = _build(files, label_map, used, record.labels[-1])
    with told_failures(output.parent), written_atomically(output, ".dcm", is_new=True) as temporary:
        dataset.save_as(temporary)
    notes = _notes(record, used)
    side = {"train": (case_id,)} if record.split == Split.TRAIN else {"test": (case_id,)}
    return ExportReport(output=str(output), notes=notes, **side)


def _require_highdicom() -> None:
    try:
        import highdicom  # noqa: F401 - whether it is there is the question
    except ImportError as exc:
        msg = "DICOM segmentations need the package highdicom; install it with `pip install 'vqseg[dicom]'`."
        raise UserError(msg) from exc


def _matching_files(record: CaseRecord, series: Path) -> list[str]:
    """Return the files of the series in the order of the case's slices."""
    if hash_voxels(load_dicom(series).array) != record.image.voxel_sha256:
        msg = (
            f"The DICOM series in '{series}' is not the image of case '{record.case_id}' (its voxels differ); give the "
            "series the case was made from."
        )
        raise ProjectError(msg)
    files = list(find_series(series).files)
    if len(files) != record.geometry.shape_kji[0]:
        msg = f"'{series}' holds all slices in one file; only series with one file a slice can be referred to."
        raise ProjectError(msg)
    return files


def _build(files: list[str], label_map: Array, used: list[Label], revision: LabelRevision) -> Segmentation:
    """Return the segmentation object; segments are numbered from 1 in the order of ``used``."""
    import pydicom
    from highdicom import UID
    from highdicom.seg import Segmentation, SegmentationTypeValues

    numbers = np.zeros(256, np.uint8)
    for number, label in enumerate(used, start=1):
        numbers[label.value] = number
    algorithm = _ALGORITHM[revision.provenance.origin]
    return Segmentation(
        source_images=[pydicom.dcmread(file, stop_before_pixels=True) for file in files],
        pixel_array=numbers[label_map],
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[_describe(number, label, algorithm) for number, label in enumerate(used, start=1)],
        series_instance_uid=UID(),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=UID(),
        instance_number=1,
        manufacturer="VQSeg",
        manufacturer_model_name="VQSeg (research use only)",
        software_versions=__version__,
        device_serial_number=revision.sha256[:16],
        series_description="VQSeg segmentation, research use only",
        content_label="SEGMENTATION",
        content_description="Research use only",
    )


def _describe(number: int, label: Label, algorithm: str) -> SegmentDescription:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes

    identification = None
    if algorithm != "MANUAL":
        identification = AlgorithmIdentificationSequence("VQSeg", codes.DCM.ArtificialIntelligence, __version__)
    description = SegmentDescription(
        segment_number=number,
        segment_label=label.name[:64],
        segmented_property_category=_concept(label.category or _CATEGORY),
        segmented_property_type=_concept(label.type or _TYPE),
        algorithm_type=algorithm,
        algorithm_identification=identification,
        display_color=CIELabColor.from_rgb(*label.color),
    )
    if label.modifier is not None:
        kind = description.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [_concept(label.modifier)]
    return description


def _concept(code: Code) -> Any:
    from highdicom.sr import CodedConcept

    return CodedConcept(value=code.value, scheme_designator=code.scheme, meaning=code.meaning[:64])


def _notes(record: CaseRecord, used: list[Label]) -> tuple[str, ...]:
    notes = ["The file holds the patient's name and number from the series."]
    uncoded = [label.name for label in used if label.type is None]
    if uncoded:
        notes.append(f"Without a code in the label table, and written as 'Tissue': {', '.join(uncoded)}.")
    if record.labels[-1].reviewed_slices is not None:
        notes.append("Only some of its slices were reviewed, which the format cannot say.")
    return tuple(notes)
