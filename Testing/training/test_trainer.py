"""A whole run on a tiny project: what it leaves behind, resuming, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from VQSegLib.errors import Cancelled
from VQSegLib.models.checkpoint import load_checkpoint
from VQSegLib.project.folder import Project
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.events import read_events
from VQSegLib.training.trainer import Trainer

MakeConfig = Callable[..., TrainingConfig]
VQSEG = {"name": "vqseg", "qpm_warmup": 0, "rampup_steps": 3, "code_perturbation": {"refresh_steps": 4}}
METHODS = {"supervised": {"name": "supervised", "ema_decay": 0.9}, "vqseg": VQSEG}


@pytest.fixture(params=sorted(METHODS))
def config(request: pytest.FixtureRequest, make_config: MakeConfig) -> TrainingConfig:
    return make_config(request.param, method=METHODS[request.param])


def logged(folder: Path) -> list[dict[str, object]]:
    """Return all events without the times."""
    return [{key: value for key, value in event.items() if "seconds" not in key} for event in read_events(folder)]


def test_a_run_leaves_events_curves_and_a_model_with_a_filled_card(
    project: Project, config: TrainingConfig, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    trainer = Trainer(
        project, config, tmp_path / "run", command="vqseg train", on_progress=lambda s, n, _: told.append((s, n))
    )
    result = trainer.run()
    steps = [event["step"] for event in read_events(tmp_path / "run") if event["event"] == "step"]
    scored = [event for event in read_events(tmp_path / "run") if event["event"] == "validation"]
    assert steps == [2, 4, 6]
    assert [event["step"] for event in scored] == [3, 6]
    assert set(scored[0]["dice_per_label"]) == {"Right gland", "Cord", "Left gland"}
    assert (6, 6) in told
    assert result.curves_path.read_bytes().startswith(b"\x89PNG")
    model = load_checkpoint(result.model_path)
    training = model.card.training
    assert training is not None
    assert (training.method, training.command, training.steps) == (config.method.name, "vqseg train", result.best_step)
    assert (training.labeled_cases, training.validation_cases) == (2, 1)
    assert training.unlabeled_cases == (2 if config.method.name == "vqseg" else 0)
    assert training.config == config.model_dump(mode="json")
    assert model.card.validation is not None
    assert model.card.validation.mean["dice"] == pytest.approx(result.best_dice)
    assert model.card.preprocessing == config.preprocessing
    assert json.loads((tmp_path / "run" / "config.json").read_bytes()) == training.config


def run_until(project: Project, config: TrainingConfig, folder: Path, step: int) -> None:
    """Start a run and stop it before step ``step`` (0-based)."""
    trainer = Trainer(project, config, folder)
    trainer.cancelled = lambda: trainer.step >= step
    with pytest.raises(Cancelled, match=f"stopped at step {step} of 6"):
        trainer.run()


@pytest.fixture(scope="module")
def whole_runs(
    project: Project, make_config: MakeConfig, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[TrainingConfig, Path]]:
    """Uninterrupted runs of both methods."""
    runs = {}
    for name, method in METHODS.items():
        config = make_config(name, method=method)
        folder = tmp_path_factory.mktemp("whole") / name
        Trainer(project, config, folder).run()
        runs[name] = config, folder
    return runs


# 3: right after a validation; 5: in the middle of a logged interval.
@pytest.mark.parametrize("stop_at", [1, 3, 5])
@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_resumed_run_gives_the_curve_and_weights_of_an_uninterrupted_one(
    name: str,
    stop_at: int,
    project: Project,
    whole_runs: dict[str, tuple[TrainingConfig, Path]],
    tmp_path: Path,
) -> None:
    config, whole = whole_runs[name]
    run_until(project, config, tmp_path / "run", stop_at)
    result = Trainer(project, config, tmp_path / "run", resume=True).run()
    assert logged(tmp_path / "run") == logged(whole)
    resumed, expected = (
        load_checkpoint(f / "model.safetensors").network.state_dict() for f in (tmp_path / "run", whole)
    )
    assert all(torch.equal(resumed[key], expected[key]) for key in expected)
    assert result.best_dice == json.loads(_best_line(whole))["dice"]


def _best_line(folder: Path) -> str:
    scored = [event for event in read_events(folder) if event["event"] == "validation"]
    return json.dumps(max(scored, key=lambda event: event["dice"]))


def test_a_run_stopped_during_validation_validates_first_when_it_goes_on(
    project: Project, whole_runs: dict[str, tuple[TrainingConfig, Path]], tmp_path: Path
) -> None:
    config, whole = whole_runs["vqseg"]
    trainer = Trainer(project, config, tmp_path / "run")
    scoring = iter([True, True])
    trainer.cancelled = lambda: trainer.step == 3 and next(scoring, False)
    with pytest.raises(Cancelled, match="step 3 of 6"):
        trainer.run()
    assert [event["event"] for event in read_events(tmp_path / "run")] == ["step"]
    Trainer(project, config, tmp_path / "run", resume=True).run()
    assert logged(tmp_path / "run") == logged(whole)


def test_a_run_may_be_stopped_while_its_cases_are_prepared(
    project: Project, whole_runs: dict[str, tuple[TrainingConfig, Path]], tmp_path: Path
) -> None:
    config, whole = whole_runs["supervised"]
    with pytest.raises(Cancelled, match="step 0 of 6"):
        Trainer(project, config, tmp_path / "run", cancelled=lambda: True).run()
    Trainer(project, config, tmp_path / "run", resume=True).run()
    assert logged(tmp_path / "run") == logged(whole)


def test_a_finished_run_can_be_resumed_and_changes_nothing(
    project: Project, whole_runs: dict[str, tuple[TrainingConfig, Path]], tmp_path: Path
) -> None:
    config, whole = whole_runs["supervised"]
    shutil.copytree(whole, tmp_path / "run")
    result = Trainer(project, config, tmp_path / "run", resume=True).run()
    assert logged(tmp_path / "run") == logged(whole)
    again, before = (load_checkpoint(f / "model.safetensors").network.state_dict() for f in (tmp_path / "run", whole))
    assert all(torch.equal(again[key], before[key]) for key in before)
    assert result.best_step in (3, 6)
