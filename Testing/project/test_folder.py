"""A project folder can be made, opened again and trusted; wrong use is refused in one sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from VQSegLib.errors import ProjectError
from VQSegLib.labels import Label, LabelTable
from VQSegLib.leftovers import temporary_name
from VQSegLib.project.cases import CaseState, Split
from VQSegLib.project.folder import Project
from VQSegLib.volume import Volume

TABLE = LabelTable(
    labels=(Label(value=1, name="Cord", color=(1, 2, 3)), Label(value=5, name="Larynx", color=(4, 5, 6)))
)
AFFINE = np.array([[-1.5, 0, 0, 40.0], [0, -1.5, 0, 30.0], [0, 0, 3.0, -100.0], [0, 0, 0, 1.0]])
SHIFTED_AFFINE = AFFINE + np.outer([1, 0, 0, 0], [0, 0, 0, 2])


def make_image(seed: int = 0) -> Volume:
    """Return a small CT-like volume with slices, rows and columns of different number."""
    return Volume(np.random.default_rng(seed).integers(-1000, 1000, (4, 6, 8), dtype=np.int16), AFFINE)


def make_label(*values: int, affine: np.ndarray = AFFINE, shape: tuple[int, ...] = (4, 6, 8)) -> Volume:
    """Return a label map that holds the given values."""
    array = np.zeros(shape, np.uint8)
    array.flat[: len(values)] = values
    return Volume(array, affine)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A new, empty project in a folder with a space and an umlaut."""
    return Project.create(tmp_path / "Projekt Köpfe", TABLE, intensity_window=(-200, 300))


def test_project_opens_again_with_what_it_was_created_with(project: Project) -> None:
    opened = Project.open(project.path)
    assert opened.document == project.document
    assert opened.labels == TABLE
    assert opened.document.intensity_window == (-200, 300)
    assert opened.repairs == ()


def test_case_comes_back_voxel_for_voxel(project: Project) -> None:
    image, label = make_image(), make_label(1, 5)
    record = project.add_case(image, label, split="train")
    opened = Project.open(project.path)
    assert opened.cases() == [record]
    loaded = opened.load_image(record.case_id)
    np.testing.assert_array_equal(loaded.array, image.array)
    assert loaded.array.dtype == np.int16
    np.testing.assert_allclose(loaded.affine_ijk_to_ras, AFFINE, atol=1e-4)
    np.testing.assert_array_equal(opened.load_label(record.case_id).array, label.array)
    assert record.geometry.spacing_mm_kji == (3.0, 1.5, 1.5)
    assert record.geometry.shape_kji == (4, 6, 8)


def test_cases_are_selected_by_state_and_split(project: Project) -> None:
    labeled = project.add_case(make_image(1), make_label(1), split=Split.TRAIN)
    unlabeled = project.add_case(make_image(2), None, split="train")
    held_out = project.add_case(make_image(3), make_label(5), split="test")
    assert labeled.state == CaseState.QUEUED
    assert project.cases(state="unlabeled") == [unlabeled]
    assert project.cases(split="test") == [held_out]
    assert {case.case_id for case in project.cases(split=Split.TRAIN)} == {labeled.case_id, unlabeled.case_id}


def test_case_folder_holds_no_name_from_outside(project: Project) -> None:
    record = project.add_case(make_image(), make_label(1), split="train")
    files = sorted(file.name for file in project.case_folder(record.case_id).iterdir())
    assert files == ["case.json", "image.nii.gz", "label.r0001.nii.gz"]


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (make_label(1, shape=(4, 6, 7)), "shape"),
        (make_label(1, affine=SHIFTED_AFFINE), "elsewhere"),
        (make_label(1, 7), "7"),
        (make_label(), "empty"),
    ],
)
def test_label_map_that_does_not_fit_is_refused_and_leaves_nothing(project: Project, label: Volume, words: str) -> None:
    with pytest.raises(ProjectError, match=words):
        project.add_case(make_image(), label, split="train")
    assert [file.name for file in (project.path / "cases").iterdir() if file.is_dir()] == []


def test_label_map_with_fractions_is_refused(project: Project) -> None:
    label = Volume(make_label(1).array * 0.5, AFFINE)
    with pytest.raises(ProjectError, match=r"0\.5"):
        project.add_case(make_image(), label, split="train")


def test_same_scan_twice_is_refused_also_in_another_voxel_type(project: Project) -> None:
    first = project.add_case(make_image(), None, split="train")
    again = Volume(make_image().array.astype(np.float32), AFFINE)
    with pytest.raises(ProjectError, match=first.case_id):
        project.add_case(again, None, split="test")


def test_unknown_split_is_refused(project: Project) -> None:
    with pytest.raises(ProjectError, match="train, validation, test"):
        project.add_case(make_image(), None, split="training")


def test_image_with_values_that_are_not_numbers_is_refused(project: Project) -> None:
    with pytest.raises(ProjectError, match="not numbers"):
        project.add_case(Volume(np.full((3, 3, 4), np.nan, np.float32), AFFINE), None, split="train")


def test_scans_of_one_patient_share_a_split(project: Project) -> None:
    first = project.add_case(make_image(1), None, split="train")
    second = project.add_case(make_image(2), None, split="train", patient_id=first.patient_id)
    assert second.patient_id == first.patient_id
    with pytest.raises(ProjectError, match="share one split"):
        project.add_case(make_image(3), None, split="test", patient_id=first.patient_id)
    with pytest.raises(ProjectError, match="knows no patient"):
        project.add_case(make_image(3), None, split="test", patient_id="Miller")


def test_label_of_unlabeled_case_is_refused(project: Project) -> None:
    record = project.add_case(make_image(), None, split="train")
    with pytest.raises(ProjectError, match="no label map"):
        project.load_label(record.case_id)


def test_changed_image_file_is_refused(project: Project) -> None:
    record = project.add_case(make_image(), None, split="train")
    file = project.case_folder(record.case_id) / "image.nii.gz"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ProjectError, match="was changed"):
        project.load_image(record.case_id)


def test_missing_case_is_refused(project: Project) -> None:
    with pytest.raises(ProjectError, match="no case"):
        project.load_image("case-0000000000")


def test_create_refuses_an_occupied_or_missing_place(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(ProjectError, match="not an empty folder"):
        Project.create(tmp_path, TABLE)
    with pytest.raises(ProjectError, match="does not exist"):
        Project.create(tmp_path / "missing" / "project", TABLE)
    with pytest.raises(ProjectError, match="window"):
        Project.create(tmp_path / "new", TABLE, intensity_window=(10, 10))
    assert [file.name for file in tmp_path.iterdir()] == ["file.txt"]


def test_create_accepts_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    Project.create(tmp_path / "empty", TABLE)
    assert Project.open(tmp_path / "empty").cases() == []


def test_create_in_a_place_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", fail)
    with pytest.raises(ProjectError, match="Permission denied"):
        Project.create(tmp_path / "new", TABLE)


def test_open_refuses_what_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="vqseg project init"):
        Project.open(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "damaged"),
        ("[1]", "damaged"),
        ('{"format_version": 99}', "99"),
        ('{"format_version": 1, "labels": {"labels": []}}', r"labels\.labels"),
    ],
)
def test_open_refuses_a_damaged_or_newer_project(project: Project, content: str, words: str) -> None:
    (project.path / "project.json").write_text(content)
    with pytest.raises(ProjectError, match=words):
        Project.open(project.path)


def test_case_of_another_version_is_refused(project: Project) -> None:
    record = project.add_case(make_image(), None, split="train")
    file = project.case_folder(record.case_id) / "case.json"
    document = json.loads(file.read_text()) | {"format_version": 2}
    file.write_text(json.dumps(document))
    with pytest.raises(ProjectError, match="format version 2"):
        project.cases()


def test_unreadable_document_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(ProjectError, match="permissions"):
        Project.open(project.path)


def test_failed_write_leaves_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("VQSegLib.project.case_writer.hash_file", fail)
    with pytest.raises(ProjectError, match="No space left"):
        project.add_case(make_image(), make_label(1), split="train")
    assert project.cases() == []
    assert not list((project.path / "cases").glob(".vqseg-*"))


def test_waiting_for_another_writer_ends_with_a_sentence(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from filelock import FileLock

    monkeypatch.setattr("VQSegLib.project.writing._LOCK_SECONDS", 0.1)
    with (
        FileLock(project.path / "cases" / ".lock", thread_local=False, is_singleton=False),
        pytest.raises(ProjectError, match="try again later"),
    ):
        project.add_case(make_image(), None, split="train")


def test_open_removes_what_a_dead_writer_left_and_says_so(project: Project) -> None:
    finished = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    mine = project.path / "cases" / temporary_name()
    dead = mine.with_name(mine.name.replace(f"-{os.getpid()}-", f"-{int(finished.stdout)}-"))
    foreign = mine.with_name(".vqseg-00000000-1-1-00000000")
    old = mine.with_name(".vqseg-00000001-1-1-00000000")
    for folder in (mine, dead, foreign, old):
        folder.mkdir()
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    repairs = Project.open(project.path).repairs
    assert len(repairs) == 2
    assert dead.name in " ".join(repairs)
    assert not dead.exists()
    assert not old.exists()
    assert mine.exists()
    assert foreign.exists()


def test_two_processes_add_cases_at_once(project: Project) -> None:
    code = (
        "import sys, pathlib, numpy as np; sys.path.insert(0, sys.argv[3])\n"
        "from VQSegLib.project.folder import Project; from VQSegLib.volume import Volume\n"
        "p = Project.open(pathlib.Path(sys.argv[1])); rng = np.random.default_rng(int(sys.argv[2]))\n"
        "for _ in range(3):\n"
        "  p.add_case(Volume(rng.integers(0, 99, (3, 4, 5), dtype='i2'), np.eye(4)), None, split='train')"
    )
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", code, str(project.path)]
    writers = [subprocess.Popen([*command, str(seed), root]) for seed in (1, 2)]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert len(project.cases()) == 6
