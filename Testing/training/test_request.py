"""A training request becomes a complete configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from VQSegLib.errors import ConfigError, ProjectError
from VQSegLib.labels import LabelTable
from VQSegLib.project.folder import Project
from VQSegLib.training.request import TrainingRequest, build_config, choose_run_folder


@pytest.fixture
def project(tmp_path: Path, tiny_labels: LabelTable) -> Project:
    """An empty project with its own intensity window."""
    return Project.create(tmp_path / "project", tiny_labels, intensity_window=(-160, 240))


def test_project_gives_what_is_not_asked_for(project: Project) -> None:
    config = build_config(project, TrainingRequest(), project.path / "run")
    assert config.method.name == "vqseg"
    assert config.network.num_classes == 3
    assert (config.preprocessing.window_low, config.preprocessing.window_high) == (-160, 240)
    assert len(config.data.patch_size) == config.network.spatial_dims


def test_single_settings_win_over_the_file_and_the_file_over_the_project(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"max_steps": 7, "seed": 3, "name": "a", "preprocessing": {"window_low": -500}}))
    settings = ("max_steps=9", "name=two words", "optimizer.learning_rate=0.5")
    config = build_config(project, TrainingRequest(config=file, method="supervised", settings=settings), tmp_path)
    assert (config.max_steps, config.seed, config.name) == (9, 3, "two words")
    assert config.optimizer.learning_rate == 0.5
    assert config.method.name == "supervised"
    assert (config.preprocessing.window_low, config.preprocessing.window_high) == (-500, 240)


def test_settings_of_the_files_method_survive_its_being_named_again(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"method": {"name": "vqseg", "qpm": False}}))
    config = build_config(project, TrainingRequest(config=file, method="vqseg"), tmp_path)
    assert config.method.qpm is False


@pytest.mark.parametrize("dims", [2, 3])
def test_encoder_fits_any_number_of_axes_and_stages(project: Project, tmp_path: Path, dims: int) -> None:
    settings = (f"network.spatial_dims={dims}", "network.encoder.channels=[8,16,32]")
    config = build_config(project, TrainingRequest(settings=settings), tmp_path)
    assert config.network.encoder.strides == ((1,) * dims, (2,) * dims, (2,) * dims)
    assert len(config.data.patch_size) == dims


def test_preset_is_a_method(project: Project, tmp_path: Path) -> None:
    config = build_config(project, TrainingRequest(method="vqseg-release"), tmp_path)
    assert config.method.name == "vqseg"
    assert config.method.confidence_threshold == 0.95


def test_resumed_run_takes_its_own_configuration(project: Project, tmp_path: Path) -> None:
    first = build_config(project, TrainingRequest(settings=("max_steps=11",)), tmp_path)
    (tmp_path / "config.json").write_text(first.model_dump_json())
    assert build_config(project, TrainingRequest(output=tmp_path, resume=True), tmp_path) == first


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "is not JSON"), ("[1]", "JSON object"), ('{"method": 3}', "group of settings"), ('{"x": 1}', "'x'")],
)
def test_wrong_file_is_refused(project: Project, tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(content)
    with pytest.raises(ConfigError, match=words):
        build_config(project, TrainingRequest(config=file), tmp_path)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (TrainingRequest(config=Path("missing.json")), "cannot be read"),
        (TrainingRequest(method="magic"), "abd, arco, bcp"),
        (TrainingRequest(settings=("=3",)), "must look like"),
        (TrainingRequest(settings=("seed=1", "seed.part=1")), "group of settings"),
    ],
)
def test_wrong_request_is_refused(project: Project, tmp_path: Path, request_: TrainingRequest, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build_config(project, request_, tmp_path)


def test_run_folder_is_new_in_the_project_or_the_one_asked_for(project: Project, tmp_path: Path) -> None:
    first, second = (choose_run_folder(project, TrainingRequest()) for _ in range(2))
    assert first.parent == project.path / "runs"
    assert first != second
    assert choose_run_folder(project, TrainingRequest(output=tmp_path / "run")) == tmp_path / "run"
    with pytest.raises(ProjectError, match="--output"):
        choose_run_folder(project, TrainingRequest(resume=True))
    with pytest.raises(ProjectError, match="does not exist"):
        choose_run_folder(project, TrainingRequest(output=tmp_path / "missing" / "run"))
