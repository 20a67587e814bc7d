"""Export: what another program reads is the scan, its label map and its label table, whole or not at all."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qt
import SimpleITK
import slicer
import vtk

from VQSegUI import LabelTable
from VQSegUI.ExportJob import UNFINISHED, removeAbandoned
from VQSegUI.Logic import VQSegLogic
from VQSegUI.Problem import Problem

UPRIGHT = np.eye(3)
OBLIQUE = np.array([[0.6, 0.0, 0.8], [0.8, 0.0, -0.6], [0.0, 1.0, 0.0]])
FILES = {"image.nii.gz", "label.nii.gz", "labels.json"}


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return voxels ``(K, J, I)`` and the affine to RAS as another program reads them."""
    image = SimpleITK.ReadImage(str(path))
    axes = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes, image.GetOrigin()
    return SimpleITK.GetArrayFromImage(image), np.diag([-1, -1, 1, 1]) @ affine


def affine_of(volume: Any) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def put_under(volume: Any, matrix: np.ndarray, *others: Any) -> None:
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    for node in (volume, *others):
        node.SetAndObserveTransformNodeID(transform.GetID())


@pytest.fixture
def logic(make_engine: Any) -> VQSegLogic:
    return VQSegLogic(engine=make_engine())


@pytest.fixture
def make_segmented(logic: VQSegLogic, make_volume: Any) -> Callable[..., Any]:
    def make(array: np.ndarray | None = None, directions: np.ndarray = UPRIGHT) -> tuple[Any, Any]:
        volume = make_volume(array)
        volume.SetIJKToRASDirections(*directions.ravel())
        return volume, logic.segment(volume, model="fake", wait=True)

    return make


@pytest.mark.parametrize(
    "directions",
    [np.eye(3), np.diag([-1.0, -1.0, 1.0]), np.diag([1.0, -1.0, 1.0]), OBLIQUE, OBLIQUE[:, [1, 0, 2]]],
    ids=["RAS", "LPS", "left-handed", "oblique", "oblique, left-handed"],
)
def test_another_program_reads_the_same_voxels_at_the_same_place(
    logic: VQSegLogic, make_segmented: Any, tmp_path: Path, directions: np.ndarray
) -> None:
    volume, proposal = make_segmented(directions=directions)

    folder = Path(logic.export(proposal, str(tmp_path), wait=True))

    scan = slicer.util.arrayFromVolume(volume)
    voxels, affine = read(folder / "image.nii.gz")
    np.testing.assert_array_equal(voxels, scan)
    assert voxels.dtype == np.int16
    np.testing.assert_allclose(affine, affine_of(volume), atol=1e-5)
    labels, label_affine = read(folder / "label.nii.gz")
    np.testing.assert_array_equal(labels, 2 * (scan > 500) + 5 * (scan < -500))
    np.testing.assert_array_equal(label_affine, affine)
    assert {path.name for path in folder.iterdir()} == FILES


def test_slicer_itself_reads_the_same(logic: VQSegLogic, make_segmented: Any, tmp_path: Path) -> None:
    volume, proposal = make_segmented(directions=OBLIQUE)
    folder = Path(logic.export(proposal, str(tmp_path), wait=True))
    loaded = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(folder / "image.nii.gz"))

    assert storage.ReadData(loaded)

    np.testing.assert_array_equal(slicer.util.arrayFromVolume(loaded), slicer.util.arrayFromVolume(volume))
    np.testing.assert_allclose(affine_of(loaded), affine_of(volume), atol=1e-5)


@pytest.mark.parametrize("turns", range(8))
def test_the_header_says_the_same_in_both_of_its_forms(
    logic: VQSegLogic, make_segmented: Any, tmp_path: Path, turns: int
) -> None:
    """Some programs read the matrix, others the quaternion, whose first number must not be negative."""
    angle = turns * np.pi / 4 + 0.1
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    volume, proposal = make_segmented(directions=(OBLIQUE @ turn)[:, [1, 0, 2] if turns % 2 else [0, 1, 2]])
    folder = Path(logic.export(proposal, str(tmp_path), wait=True))
    data = bytearray(gzip.decompress((folder / "image.nii.gz").read_bytes()))
    data[254:256] = b"\0\0"  # no matrix
    (tmp_path / "quaternion.nii").write_bytes(data)

    np.testing.assert_allclose(read(tmp_path / "quaternion.nii")[1], affine_of(volume), atol=1e-5)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i4", "u4", "f4", "f8"])
def test_values_and_their_type_are_kept(logic: VQSegLogic, make_segmented: Any, tmp_path: Path, dtype: str) -> None:
    scan = np.linspace(0, 100, 7200).reshape(12, 20, 30).astype(dtype)
    _volume, proposal = make_segmented(scan)

    folder = Path(logic.export(proposal, str(tmp_path), wait=True))

    voxels, _affine = read(folder / "image.nii.gz")
    np.testing.assert_array_equal(voxels, scan)
    assert voxels.dtype == np.dtype(dtype)


def test_a_type_that_nifti_lacks_is_refused(logic: VQSegLogic, make_segmented: Any, tmp_path: Path) -> None:
    volume, proposal = make_segmented()
    image = vtk.vtkImageData()
    image.SetDimensions(30, 20, 12)
    image.AllocateScalars(vtk.VTK_LONG_LONG, 1)
    volume.SetAndObserveImageData(image)

    with pytest.raises(Problem, match="voxels of type int64"):
        logic.export(proposal, str(tmp_path), wait=True)
    assert list(tmp_path.glob("*case*")) == []


def test_a_transform_that_turns_counts_and_is_said(logic: VQSegLogic, make_segmented: Any, tmp_path: Path) -> None:
    volume, proposal = make_segmented()
    turned = np.eye(4)
    turned[:3, :3], turned[:3, 3] = OBLIQUE, (5, 7, 9)
    put_under(volume, turned, proposal)
    job = logic.export(proposal, str(tmp_path))
    done: list[str] = []
    job.finished.connect(done.append)
    while not done:
        slicer.app.processEvents()

    voxels, affine = read(Path(done[0]) / "image.nii.gz")
    np.testing.assert_allclose(affine, turned @ affine_of(volume), atol=1e-5)
    np.testing.assert_array_equal(voxels, slicer.util.arrayFromVolume(volume))
    assert job.notes == ["Scan and label map were written where the scan's transform puts them."]


def test_a_transform_that_shears_is_left_out_and_said(logic: VQSegLogic, make_segmented: Any, tmp_path: Path) -> None:
    volume, proposal = make_segmented()
    sheared = np.eye(4)
    sheared[0, 1] = 0.3
    put_under(volume, sheared, proposal)

    job = logic.export(proposal, str(tmp_path))
    done: list[str] = []
    job.finished.connect(done.append)
    while not done:
        slicer.app.processEvents()

    np.testing.assert_allclose(read(Path(done[0]) / "label.nii.gz")[1], affine_of(volume), atol=1e-5)
    assert "as before the transform" in job.notes[0]


def test_a_segmentation_that_is_shown_elsewhere_is_exported_where_it_is_shown(
    logic: VQSegLogic, make_segmented: Any, tmp_path: Path
) -> None:
    volume, proposal = make_segmented()
    moved = np.eye(4)
    moved[0, 3] = 3.0  # two columns of 1.5 mm
    put_under(proposal, moved)

    folder = Path(logic.export(proposal, str(tmp_path), wait=True))

    scan = slicer.util.arrayFromVolume(volume)
    labels, _affine = read(folder / "label.nii.gz")
    np.testing.assert_array_equal(labels, np.roll(2 * (scan > 500) + 5 * (scan < -500), 2, axis=2))


def test_a_segmentation_in_other_voxels_arrives_in_the_scans(
    logic: VQSegLogic, make_segmented: Any, make_volume: Any, edit: Any, tmp_path: Path, voxels: Any
) -> None:
    volume, _proposal = make_segmented()
    coarse = make_volume(np.zeros((6, 10, 15), np.int16), name="coarse")
    coarse.SetSpacing(3.0, 4.0, 6.0)
    coarse.SetOrigin(10.75, -19.0, 31.5)
    mine = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    mine.SetReferenceImageGeometryParameterFromVolumeNode(coarse)
    mine.GetSegmentation().AddEmptySegment("Tumor", "Tumor")
    painted = np.zeros((6, 10, 15), bool)
    painted[2, 3, 4] = True
    edit(mine, "Tumor", coarse, painted)
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    mine.SetNodeReferenceID(role, volume.GetID())

    folder = Path(logic.export(mine, str(tmp_path), wait=True))

    labels, _affine = read(folder / "label.nii.gz")
    np.testing.assert_array_equal(labels, voxels(mine, "Tumor", volume))
    assert np.argwhere(labels).tolist() == [[k, j, i] for k in (4, 5) for j in (6, 7) for i in (8, 9)]


def test_the_table_is_one_that_the_engine_reads(logic: VQSegLogic, make_segmented: Any, tmp_path: Path) -> None:
    from VQSegLib.labels import LabelTable as EngineTable

    _volume, proposal = make_segmented()

    folder = Path(logic.export(proposal, str(tmp_path), wait=True))

    table = EngineTable.model_validate_json((folder / "labels.json").read_text(encoding="utf-8"))
    assert [(label.value, label.name) for label in table.labels] == [(2, "Dense"), (5, "Airy"), (7, "Nowhere")]
    assert (table.labels[0].color, table.labels[0].type.meaning) == ((255, 0, 0), "Bone")


def test_values_stay_whatever_is_renamed_reordered_deleted_or_drawn_again(
    logic: VQSegLogic, make_segmented: Any, edit: Any, tmp_path: Path
) -> None:
    volume, proposal = make_segmented()
    segmentation = proposal.GetSegmentation()
    segmentation.AddEmptySegment("Tumor", "Tumor")
    assert LabelTable.segmentValues(proposal)["Tumor"] == 1
    segmentation.GetSegment("Dense").SetName("Größe")
    segmentation.SetSegmentIndex("Airy", 0)
    segmentation.RemoveSegment("Airy")
    segmentation.RemoveSegment("Tumor")
    again = segmentation.AddEmptySegment("", "Airy")
    segmentation.AddEmptySegment("Vessel", "Vessel")
    segmentation.AddEmptySegment("Tumor2", "Tumor")
    painted = np.zeros((12, 20, 30), bool)
    painted[0, 0, 0] = True
    edit(proposal, again, volume, painted)

    folder = Path(logic.export(proposal, str(tmp_path), wait=True))

    table = json.loads((folder / "labels.json").read_text(encoding="utf-8"))["labels"]
    names = {label["name"]: label["value"] for label in table}
    assert names == {"Tumor": 1, "Größe": 2, "Vessel": 3, "Airy": 5, "Nowhere": 7}
    labels, _affine = read(folder / "label.nii.gz")
    assert labels[0, 0, 0] == 5
    assert set(np.unique(labels)) == {0, 2, 5}


def test_a_copy_of_a_segment_is_a_structure_of_its_own(make_segmented: Any) -> None:
    _volume, proposal = make_segmented()
    copy = slicer.vtkSegment()
    copy.DeepCopy(proposal.GetSegmentation().GetSegment("Dense"))
    copy.SetName("Dense margin")
    proposal.GetSegmentation().AddSegment(copy, "copy")

    assert LabelTable.segmentValues(proposal) == {"Dense": 2, "Airy": 5, "copy": 1}


@pytest.mark.parametrize(
    ("renamed", "name", "words"),
    [("Mine", "Airy", "Two segments are called 'Airy'"), ("Dense", "Nowhere", "like another structure of the model")],
)
def test_two_structures_of_one_name_are_refused(
    logic: VQSegLogic, make_segmented: Any, tmp_path: Path, renamed: str, name: str, words: str
) -> None:
    _volume, proposal = make_segmented()
    proposal.GetSegmentation().AddEmptySegment("Mine", "Mine")
    proposal.GetSegmentation().GetSegment(renamed).SetName(name)

    with pytest.raises(Problem, match=words):
        logic.export(proposal, str(tmp_path), wait=True)
    assert list(tmp_path.glob("*case*")) == []


def test_more_structures_than_a_label_map_holds_are_refused(make_segmented: Any) -> None:
    _volume, proposal = make_segmented()
    for number in range(254):
        proposal.GetSegmentation().AddEmptySegment(f"s{number}", f"s{number}")

    with pytest.raises(Problem, match="at most 255 structures"):
        LabelTable.segmentValues(proposal)


def test_where_structures_overlap_is_said(logic: VQSegLogic, make_segmented: Any, edit: Any, tmp_path: Path) -> None:
    volume, proposal = make_segmented()
    edit(proposal, "Airy", volume, slicer.util.arrayFromVolume(volume) > 500)
    job = logic.export(proposal, str(tmp_path))
    done: list[str] = []
    job.finished.connect(done.append)
    while not done:
        slicer.app.processEvents()

    assert job.notes == ["Where structures overlap, the label map shows the later ones: Airy."]
    assert set(np.unique(read(Path(done[0]) / "label.nii.gz")[0])) == {0, 5}


def test_no_name_of_a_patient_gets_out_and_nothing_is_overwritten(
    logic: VQSegLogic, make_segmented: Any, tmp_path: Path
) -> None:
    _volume, proposal = make_segmented()
    target = tmp_path / "Größe 1"
    target.mkdir()

    folders = {Path(logic.export(proposal, str(target), wait=True)) for _time in range(2)}

    assert len(folders) == 2
    assert {path.name for path in target.iterdir()} == {folder.name for folder in folders}
    for folder in folders:
        assert folder.name.startswith("case-")
        for path in folder.iterdir():
            data = path.read_bytes()
            content = gzip.decompress(data) if path.suffix == ".gz" else data
            assert b"Doe" not in data + content
            assert path.name in FILES


@pytest.mark.parametrize("stage", ["Reading the segments", "Writing the label map", "Writing the scan"])
def test_a_cancelled_export_leaves_nothing_behind(
    logic: VQSegLogic, make_segmented: Any, tmp_path: Path, wait_until: Any, stage: str
) -> None:
    _volume, proposal = make_segmented()
    job = logic.export(proposal, str(tmp_path))
    problems: list[Problem] = []
    job.failed.connect(problems.append)
    job.progressed.connect(lambda _fraction, now, _left: job.cancel() if now == stage else None)

    wait_until(lambda: problems)
    slicer.app.processEvents()

    assert str(problems[0]) == "Cancelled."
    assert not [path for path in tmp_path.iterdir() if "case" in path.name or path.name.startswith(UNFINISHED)]


@pytest.mark.parametrize("what", ["volume", "segmentation", "scene"])
def test_what_goes_away_meanwhile_ends_the_export(
    logic: VQSegLogic, make_segmented: Any, tmp_path: Path, wait_until: Any, what: str
) -> None:
    volume, proposal = make_segmented()
    job = logic.export(proposal, str(tmp_path))
    problems: list[Problem] = []
    job.failed.connect(problems.append)

    if what == "scene":
        slicer.mrmlScene.Clear(0)
    else:
        slicer.mrmlScene.RemoveNode(volume if what == "volume" else proposal)
    wait_until(lambda: problems)

    assert {"volume": "scan was deleted", "segmentation": "segmentation was deleted", "scene": "closed"}[what] in str(
        problems[0]
    )
    assert not [path for path in tmp_path.iterdir() if "case" in path.name or path.name.startswith(UNFINISHED)]


def test_without_the_scan_there_is_nothing_to_export(logic: VQSegLogic, make_segmented: Any, tmp_path: Path) -> None:
    volume, proposal = make_segmented()
    slicer.mrmlScene.RemoveNode(volume)

    with pytest.raises(Problem, match="is not in the scene"):
        logic.export(proposal, str(tmp_path), wait=True)


def test_a_folder_that_cannot_be_written_to_is_said(logic: VQSegLogic, make_segmented: Any, tmp_path: Path) -> None:
    _volume, proposal = make_segmented()
    (tmp_path / "file").write_text("no folder", encoding="utf-8")

    with pytest.raises(Problem, match="cannot be written to"):
        logic.export(proposal, str(tmp_path / "file"), wait=True)


def test_what_a_killed_export_left_is_removed_by_the_next(
    logic: VQSegLogic, make_segmented: Any, tmp_path: Path
) -> None:
    _volume, proposal = make_segmented()
    old, young = tmp_path / f"{UNFINISHED}old", tmp_path / f"{UNFINISHED}young"
    for folder in (old, young):
        folder.mkdir()
        (folder / "image.nii.gz").write_bytes(b"half")
    os.utime(old, (0, 0))

    logic.export(proposal, str(tmp_path), wait=True)

    assert not old.exists()
    assert young.exists()
    removeAbandoned(tmp_path / "nowhere")


def test_the_button_asks_for_a_folder_writes_and_says_where(
    panel: Any, make_volume: Any, wait_until: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    opened = panel()
    opened.open(make_volume())
    opened.segment()

    opened.exportButton.click()
    wait_until(lambda: "Written to" in opened.reviewStatusLabel.text)

    (folder,) = tmp_path.glob("case-*")
    assert opened.reviewStatusLabel.text == f"Written to {folder}."
    assert {path.name for path in folder.iterdir()} == FILES
