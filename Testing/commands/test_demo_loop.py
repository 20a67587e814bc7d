"""``vqseg demo --loop`` with small scans and a small model in place of the shipped ones; the run is a real process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from VQSegLib import demo_loop
from VQSegLib.errors import Cancelled, UserError
from VQSegLib.image_files import save_label_map, save_volume
from VQSegLib.labels import LabelTable
from VQSegLib.project.folder import Project
from VQSegLib.volume import Volume


@pytest.fixture
def resources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path, tiny_labels: LabelTable) -> Path:
    """A Resources folder with scans in which two bright boxes are the structures."""
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "own machine"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    folder = tmp_path / "Resources" / "demo"
    for name in ("corrected", "held_out", "unlabeled"):
        (folder / "loop" / name).mkdir(parents=True)
    (folder / "loop" / "weak.safetensors").write_bytes(tiny_model.read_bytes())
    places = ["loop/corrected/a_", "loop/corrected/b_", "loop/held_out/c_", "", "loop/unlabeled/d_"]
    for seed, place in enumerate(places):
        image, label = draw(seed)
        save_volume(folder / f"{place}image.nii.gz", image)
        if "unlabeled" not in place:
            save_label_map(folder / f"{place}label.nii.gz", label)
    monkeypatch.setattr(demo_loop, "resources_folder", lambda: tmp_path / "Resources")
    monkeypatch.setattr(demo_loop, "load_label_table", lambda _: tiny_labels)
    settings = ("max_steps=6", "validation_interval=3", "log_interval=1", "data.workers=0", "data.patch_size=[16,16]")
    monkeypatch.setattr(demo_loop, "_SETTINGS", settings)
    return folder


def draw(seed: int) -> tuple[Volume, Volume]:
    rng = np.random.default_rng(seed)
    array, label = rng.normal(0, 30, (4, 24, 32)), np.zeros((4, 24, 32), np.uint8)
    for value, level, start in ((2, 300, 4), (5, 450, 18)):
        array[:, 8:16, start : start + 8] = rng.normal(level, 30, (4, 8, 8))
        label[:, 8:16, start : start + 8] = value
    affine = np.diag([-2.0, -2.0, 3.0, 1.0])
    return Volume(array.astype(np.int16), affine), Volume(label, affine)


@pytest.mark.usefixtures("resources")
def test_the_loop_ends_with_a_table_two_pictures_and_a_project(run_cli: Any, tmp_path: Path) -> None:
    result = run_cli("demo", "--loop", "--output", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert "on 2 held-out patients" in result.stdout
    assert "The gate decided: the new model was" in result.stdout
    assert "2 corrected and 1 unlabeled scans, 6 steps" in result.stdout
    assert "began as a proposal of the old model" in result.stdout
    for name in ("before.png", "after.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")
    project = Project.open(tmp_path / "out" / "project")
    assert len(project.models.list()) == 2
    assert all(one.labels[0].edits is not None for one in project.cases() if one.is_labeled)


def test_a_folder_in_use_and_missing_files_are_told(
    run_cli: Any, assert_mistake: Any, resources: Path, tmp_path: Path
) -> None:
    assert_mistake(run_cli("demo", "--loop", "--output", tmp_path), "holds something already")
    assert_mistake(run_cli("demo", "--loop", "--output", tmp_path / "a" / "b"), "cannot be made")
    (resources / "loop" / "weak.safetensors").unlink()
    assert_mistake(run_cli("demo", "--loop", "--output", tmp_path / "out"), "complete copy")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("resources")
def test_a_stopped_demo_stops_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    polls: list[int] = []
    start = demo_loop.Service.start_run

    def start_and_stop(*arguments: Any, **options: Any) -> Any:
        polls.append(1)
        return start(*arguments, **options)

    monkeypatch.setattr(demo_loop.Service, "start_run", start_and_stop)
    with pytest.raises(Cancelled):
        demo_loop.run_loop_demo(tmp_path / "out", cancelled=lambda: bool(polls))
    (run,) = demo_loop.Service().list_runs(tmp_path / "out" / "project")
    assert (Path(tmp_path / "out" / "project" / "runs" / run.run_id) / "stop").read_text() == "stop"


@pytest.mark.usefixtures("resources")
def test_a_run_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from VQSegLib.runs import start as start_module

    def start(arguments: list[str], log: Path, plain: Callable[..., Any] = start_module.start_detached) -> Any:
        (Path(arguments[2]) / "runs" / arguments[3] / "cases.json").write_text("{", encoding="utf-8")
        return plain(arguments, log)

    monkeypatch.setattr(start_module, "start_detached", start)
    with pytest.raises(UserError, match=r"cases\.json"):
        demo_loop.run_loop_demo(tmp_path / "out")


@pytest.mark.usefixtures("resources")
def test_an_earlier_demo_is_replaced_when_asked_and_nothing_else(
    assert_mistake: Any, run_cli: Any, tmp_path: Path, tiny_labels: LabelTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, service = tmp_path / "out", demo_loop.Service()
    output.mkdir()
    service.create_project(output / "project", labels=tiny_labels, modality="MR", window=(0.0, 1.0))
    (output / "after.png").touch()
    own = output / "my notes.txt"
    own.write_text("mine", encoding="utf-8")
    assert_mistake(run_cli("demo", "--loop", "--output", output), "--overwrite")
    assert_mistake(run_cli("demo", "--loop", "--output", output, "--overwrite"), "holds something already")
    assert own.read_text(encoding="utf-8") == "mine"
    own.unlink()
    running = SimpleNamespace(state="running", run_id="run-7")
    with monkeypatch.context() as patch:
        patch.setattr(demo_loop.Service, "list_runs", lambda *_: [running])
        assert_mistake(run_cli("demo", "--loop", "--output", output, "--overwrite"), "is under way", "run-7")
    assert Project.open(output / "project").document.modality == "MR"
    with pytest.raises(Cancelled):
        demo_loop.run_loop_demo(output, overwrite=True, cancelled=lambda: True)
    assert Project.open(output / "project").document.modality == "CT"
    assert not (output / "after.png").exists()


@pytest.mark.slow
def test_the_shipped_loop_makes_a_better_model(run_cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "own machine"))
    result = run_cli("demo", "--loop", "--output", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert "on 3 held-out patients" in result.stdout
    assert "5 corrected and 10 unlabeled scans" in result.stdout
    project = Project.open(tmp_path / "out" / "project")
    (run,) = demo_loop.Service().list_runs(project.path)
    dice = run.result.comparison.figures.dice
    assert dice.new > dice.old
    assert ("the new model was promoted" in result.stdout) == run.result.is_promoted
    used = {record.image.voxel_sha256 for record in project.cases(split="train")}
    assert not used & {record.image.voxel_sha256 for record in project.cases(split="held_out")}
