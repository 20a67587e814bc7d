"""`vqseg project init` and `vqseg cases import`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from VQSegLib.image_files import save_label_map, save_volume
from VQSegLib.project.folder import Project
from VQSegLib.volume import Volume


@pytest.fixture
def project(tmp_path: Path, run_cli) -> Path:
    """A project made by the command line."""
    path = tmp_path / "project"
    result = run_cli("project", "init", path, "--labels", "openkbp_head_neck", "--window", "-200", "300")
    assert result.returncode == 0
    assert "7 labels" in result.stdout
    return path


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Images a, b, c and label maps a, b."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for number, key in enumerate("abc"):
        array = np.full((3, 4, 5), number, np.int16)
        save_volume(folder / f"{key}_image.nii.gz", Volume(array, np.eye(4)))
        if key != "c":
            save_label_map(folder / f"{key}_label.nii.gz", Volume(np.ones_like(array), np.eye(4)))
    return folder


def test_init_keeps_labels_and_window(project: Path) -> None:
    document = Project.open(project).document
    assert document.intensity_window == (-200, 300)
    assert [label.type.value for label in document.labels.labels[:3]] == ["15926001", "2748008", "45289007"]


def test_init_in_an_occupied_folder_is_refused(project: Path, run_cli, assert_mistake) -> None:
    assert_mistake(run_cli("project", "init", project, "--labels", "openkbp_head_neck"), "not an empty folder")


def test_images_with_labels_are_imported_and_told(project: Path, scans: Path, run_cli) -> None:
    patterns = ("--images", f"{scans}/*_image.nii.gz", "--labels", f"{scans}/*_label.nii.gz")
    result = run_cli("cases", "import", project, *patterns, "--keys", "a, b", "--split", "validation")
    assert result.returncode == 0
    told = dict(line.split("\t") for line in result.stdout.splitlines())
    assert list(told) == ["a", "b"]
    assert {case.case_id for case in Project.open(project).cases(split="validation")} == set(told.values())


def test_image_without_label_is_listed_and_the_others_are_imported(project: Path, scans: Path, run_cli) -> None:
    patterns = ("--images", f"{scans}/*_image.nii.gz", "--labels", f"{scans}/*_label.nii.gz")
    result = run_cli("cases", "import", project, *patterns, "--json")
    assert result.returncode == 2
    answer = json.loads(result.stdout)
    assert sorted(answer["imported"]) == ["a", "b"]
    assert list(answer["failed"]) == ["c"]
    first, second = result.stderr.splitlines()
    assert first == "1 of 3 images were not imported:"
    assert second.startswith("c: No label map")
    assert len(Project.open(project).cases()) == 2


def test_keys_come_from_a_file(project: Path, scans: Path, run_cli, tmp_path: Path) -> None:
    (tmp_path / "keys.txt").write_text("c\nb\n")
    result = run_cli("cases", "import", project, "--images", f"{scans}/*_image.nii.gz", "--keys", tmp_path / "keys.txt")
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == ["b", "c"]


def test_empty_keys_are_refused(project: Path, scans: Path, run_cli, assert_mistake) -> None:
    result = run_cli("cases", "import", project, "--images", f"{scans}/*_image.nii.gz", "--keys", " , ")
    assert_mistake(result, "--keys")


def test_import_into_no_project_is_refused(tmp_path: Path, scans: Path, run_cli, assert_mistake) -> None:
    assert_mistake(run_cli("cases", "import", tmp_path, "--images", f"{scans}/*.nii.gz"), "not a VQSeg project")
