"""`vqseg evaluate`: table and JSON, files and folders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from VQSegLib.image_files import save_label_map
from VQSegLib.volume import Volume


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Folders of predictions and references of two cases; the first pair agrees, the second half."""
    for name, shift in (("prediction", 1), ("reference", 0)):
        (tmp_path / name).mkdir()
        for case, moved in (("a", 0), ("b", shift)):
            array = np.zeros((6, 8, 8), np.uint8)
            array[2:4, 2:6, 2 + 2 * moved : 6 + 2 * moved] = 1
            save_label_map(tmp_path / name / f"{case}.nii.gz", Volume(array, np.eye(4)))
    return tmp_path / "prediction", tmp_path / "reference"


def test_two_files_as_json(run_process, folders: tuple[Path, Path]) -> None:
    prediction, reference = folders
    result = run_process(
        "evaluate", "--prediction", prediction / "b.nii.gz", "--reference", reference / "b.nii.gz", "--json"
    )
    assert (result.returncode, result.stderr) == (0, "")
    scores = json.loads(result.stdout)
    assert scores["cases"][0]["labels"][0]["scores"]["dice"] == pytest.approx(0.5)
    assert scores["means"]["dice"]["mean"] == pytest.approx(0.5)


def test_two_folders_as_table_with_names_of_a_shipped_label_table(run_cli, folders: tuple[Path, Path]) -> None:
    prediction, reference = folders
    result = run_cli("evaluate", "--prediction", prediction, "--reference", reference, "--labels", "openkbp_head_neck")
    assert result.returncode == 0
    assert "Brainstem" in result.stdout
    assert "0.7500" in result.stdout


def test_table_is_shown_on_a_terminal_without_line_drawing(run_process, folders: tuple[Path, Path]) -> None:
    pair = "--prediction", folders[0], "--reference", folders[1]
    result = run_process("evaluate", *pair, PYTHONIOENCODING="iso-8859-1", PYTHONUTF8="0")
    assert result.returncode == 0, result.stderr
    assert "0.7500" in result.stdout


def test_distances_in_voxels(run_cli, folders: tuple[Path, Path]) -> None:
    prediction, reference = folders
    result = run_cli(
        "evaluate",
        "--prediction",
        prediction,
        "--reference",
        reference,
        "--unit",
        "voxel",
        "--tolerance",
        "3",
        "--json",
    )
    scores = json.loads(result.stdout)
    assert scores["means"]["surface_dice_at_3_voxel"]["mean"] == pytest.approx(1.0)


@pytest.mark.parametrize("labels", ["no_such_table", "broken.json"])
def test_label_table_that_cannot_be_used_is_refused(
    run_cli, assert_mistake, folders: tuple[Path, Path], tmp_path: Path, labels: str
) -> None:
    (tmp_path / "broken.json").write_text('{"labels": []}')
    table = tmp_path / labels if labels.endswith("json") else labels
    result = run_cli("evaluate", "--prediction", folders[0], "--reference", folders[1], "--labels", table)
    assert_mistake(result, labels)


def test_missing_file_is_refused(run_cli, assert_mistake, tmp_path: Path) -> None:
    result = run_cli("evaluate", "--prediction", tmp_path / "a.nii.gz", "--reference", tmp_path)
    assert_mistake(result, "a.nii.gz")
