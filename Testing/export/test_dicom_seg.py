"""A DICOM segmentation of a real series is read back to the same voxels."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from VQSegLib.errors import ProjectError, UserError
from VQSegLib.export.dicom_seg import export_dicom_seg
from VQSegLib.image_files import load_volume
from VQSegLib.project.review import Review

SERIES = Path(__file__).parents[1] / "data" / "odd" / "ct-64Dicom"

SERIES = Path(__file__).parents[1] / "data" / "odd" / "ct-64Dicom"


@pytest.fixture
def case(filled: SimpleNamespace) -> SimpleNamespace:
    """A case made from the real series, with two structures in an asymmetric place."""
    image = load_volume(SERIES)
    array = np.zeros(image.shape_kji, np.uint8)
    array[2:9, 10:30, 5:20], array[4:16, 40:42, 50:60] = 5, 2
    record = filled.project.add_case(image, image.with_array(array), review=Review(origin="corrected"), split="train")
    return SimpleNamespace(project=filled.project, case_id=record.case_id, label=array, other=filled.train)


def test_segmentation_is_read_back_to_the_same_voxels(case: SimpleNamespace, tmp_path: Path) -> None:
    highdicom = pytest.importorskip("highdicom")
    pydicom = pytest.importorskip("pydicom")
    shuffled = tmp_path / "Serie ä"
    shuffled.mkdir()
    for number, file in enumerate(sorted(SERIES.iterdir(), reverse=True)):
        shutil.copy(file, shuffled / f"{number:03d}.dcm")
    report = export_dicom_seg(case.project, case.case_id, shuffled, tmp_path / "seg.dcm")
    assert report.train == (case.case_id,)
    assert "Cord" in report.notes[1]
    segmentation = highdicom.seg.segread(tmp_path / "seg.dcm")
    sources = [pydicom.dcmread(file) for file in shuffled.iterdir()]
    sources.sort(key=lambda source: float(source.ImagePositionPatient[2]))
    in_order = [source.SOPInstanceUID for source in sources]
    read = segmentation.get_pixels_by_source_instance(
        in_order, combine_segments=True, assert_missing_frames_are_empty=True
    )
    expected = np.select([case.label == 5, case.label == 2], [1, 2])
    image = load_volume(shuffled)
    assert image.affine_ijk_to_ras[2, 2] > 0
    np.testing.assert_array_equal(read, expected)
    for source, plane in zip(sources, image.array, strict=True):
        np.testing.assert_array_equal(source.pixel_array * source.RescaleSlope + source.RescaleIntercept, plane)
    parotid, cord = segmentation.SegmentSequence
    assert parotid.SegmentLabel == "Left parotid"
    kind = parotid.SegmentedPropertyTypeCodeSequence[0]
    assert (kind.CodeValue, kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning) == ("45289007", "Left")
    assert cord.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Tissue"
    assert parotid.SegmentAlgorithmType == "SEMIAUTOMATIC"
    assert segmentation.StudyInstanceUID == sources[0].StudyInstanceUID
    assert segmentation.FrameOfReferenceUID == sources[0].FrameOfReferenceUID
    assert "research use only" in segmentation.SeriesDescription


def test_volume_of_the_segmentation_lies_where_the_case_lies(case: SimpleNamespace, tmp_path: Path) -> None:
    highdicom = pytest.importorskip("highdicom")
    export_dicom_seg(case.project, case.case_id, next(SERIES.iterdir()), tmp_path / "seg.dcm")
    volume = highdicom.seg.segread(tmp_path / "seg.dcm").get_volume(combine_segments=True)
    positions_lps = [volume.affine @ [*index, 1] for index in np.argwhere(volume.array == 2)]
    stored = case.project.load_label(case.case_id)
    expected_ras = [stored.affine_ijk_to_ras @ [*index[::-1], 1] for index in np.argwhere(stored.array == 2)]
    found_ras = np.array(positions_lps) * [-1, -1, 1, 1]
    np.testing.assert_allclose(np.sort(found_ras, axis=0), np.sort(expected_ras, axis=0), atol=1e-2)


def test_series_of_another_scan_is_refused(case: SimpleNamespace, tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    with pytest.raises(ProjectError, match="not the image of case"):
        export_dicom_seg(case.project, case.other, SERIES, tmp_path / "seg.dcm")
    (tmp_path / "seg.dcm").write_text("")
    with pytest.raises(ProjectError, match="exists already"):
        export_dicom_seg(case.project, case.case_id, SERIES, tmp_path / "seg.dcm")
    assert (tmp_path / "seg.dcm").read_text() == ""


def test_empty_label_map_has_no_segmentation(case: SimpleNamespace, tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    label = case.project.load_label(case.case_id)
    case.project.revise_case(case.case_id, label.with_array(label.array * 0), Review(is_empty_meant=True))
    with pytest.raises(ProjectError, match="is empty"):
        export_dicom_seg(case.project, case.case_id, SERIES, tmp_path / "seg.dcm")


def test_several_frames_in_one_file_cannot_be_referred_to(
    case: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("highdicom")
    monkeypatch.setattr("VQSegLib.export.dicom_seg.find_series", lambda _path: SimpleNamespace(files=("one.dcm",)))
    with pytest.raises(ProjectError, match="one file a slice"):
        export_dicom_seg(case.project, case.case_id, SERIES, tmp_path / "seg.dcm")


def test_missing_package_is_named(case: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(UserError, match=r"vqseg\[dicom\]"):
        export_dicom_seg(case.project, case.case_id, SERIES, tmp_path / "seg.dcm")
