"""`vqseg demo` with a small scan and model in place of the shipped ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from VQSegLib.image_files import load_volume, save_label_map


@pytest.fixture
def resources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path, scan: Path) -> Path:
    """A Resources folder with demo files."""
    folder = tmp_path / "Resources"
    for name in ("demo", "models"):
        (folder / name).mkdir(parents=True)
    shutil.copy(scan, folder / "demo" / "image.nii.gz")
    shutil.copy(tiny_model, folder / "models" / "vqseg-openkbp-headneck.safetensors")
    volume = load_volume(scan)
    label = np.zeros(volume.shape_kji, np.uint8)
    label[2:5, 4:12, 4:20], label[2:5, 12:20, 4:20] = 2, 5
    save_label_map(folder / "demo" / "label.nii.gz", volume.with_array(label))
    for module in ("VQSegLib.demo", "VQSegLib.resources"):
        monkeypatch.setattr(f"{module}.resources_folder", lambda: folder)
    return folder


@pytest.mark.usefixtures("resources")
def test_demo_prints_scores_and_says_where_the_picture_is(run_cli, tmp_path: Path) -> None:
    output = tmp_path / "demo output"
    result = run_cli("demo", "--output", output)
    assert result.returncode == 0, result.stderr
    assert "Larynx" in result.stdout
    assert f"Picture:   {(output / 'overlay.png').resolve()}" in result.stdout
    assert sorted(file.name for file in output.iterdir()) == ["overlay.png", "scores.json", "segmentation.nii.gz"]
    assert (output / "overlay.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("resources")
def test_earlier_results_are_replaced_only_when_asked(run_cli, assert_mistake, tmp_path: Path) -> None:
    output = tmp_path / "out"
    assert run_cli("demo", "--output", output).returncode == 0
    assert_mistake(run_cli("demo", "--output", output), "--overwrite")
    assert run_cli("demo", "--output", output, "--overwrite").returncode == 0


def test_missing_demo_file_is_said(run_cli, assert_mistake, resources: Path, tmp_path: Path) -> None:
    (resources / "demo" / "label.nii.gz").unlink()
    assert_mistake(run_cli("demo", "--output", tmp_path / "out"), "label.nii.gz")
    assert not (tmp_path / "out").exists()


def test_damaged_demo_model_leaves_nothing(run_cli, assert_mistake, resources: Path, tmp_path: Path) -> None:
    model = resources / "models" / "vqseg-openkbp-headneck.safetensors"
    content = bytearray(model.read_bytes())
    content[-10] ^= 1
    model.write_bytes(content)
    assert_mistake(run_cli("demo", "--output", tmp_path / "out"), "damaged")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("resources")
def test_output_folder_that_cannot_be_made_is_said(run_cli, assert_mistake, tmp_path: Path) -> None:
    assert_mistake(run_cli("demo", "--output", tmp_path / "missing" / "out"), "--output")
