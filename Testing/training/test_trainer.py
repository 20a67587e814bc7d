"""A whole run on a tiny project: what it leaves behind, resuming, and what it refuses."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from VQSegLib.errors import Cancelled, ConfigError, ProjectError, VQSegError
from VQSegLib.methods import METHODS as ALL_METHODS
from VQSegLib.models.checkpoint import load_checkpoint
from VQSegLib.models.protocol import InMemoryModel
from VQSegLib.project.cases import Split
from VQSegLib.project.folder import Project
from VQSegLib.training import trainer as trainer_module
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.events import read_events
from VQSegLib.training.run_files import STATE_FILE
from VQSegLib.training.trainer import Trainer
from VQSegLib.training.validation import ValidationScores
from VQSegLib.volume import Volume

MakeConfig = Callable[..., TrainingConfig]
VQSEG = {"name": "vqseg", "qpm_warmup": 0, "rampup_steps": 3, "code_perturbation": {"refresh_steps": 4}}
METHODS = {"supervised": {"name": "supervised", "ema_decay": 0.9}, "vqseg": VQSEG}


@pytest.fixture(autouse=True)
def _no_curves(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than training; one test looks at the picture."""
    if "curves" not in request.node.name:
        monkeypatch.setattr(trainer_module, "save_curves", lambda folder: folder)


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


@pytest.mark.parametrize("name", sorted(set(ALL_METHODS) - set(METHODS)))
def test_every_other_method_resumes_alike(
    name: str, project: Project, make_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Second networks, decoders and memories are part of the state; validation, which costs most, is left out."""
    monkeypatch.setattr(trainer_module, "validate", lambda *_: ValidationScores({}))
    config = make_config(name, method={"name": name})
    Trainer(project, config, tmp_path / "whole").run()
    run_until(project, config, tmp_path / "run", 4)
    Trainer(project, config, tmp_path / "run", resume=True).run()
    assert logged(tmp_path / "run") == logged(tmp_path / "whole")
    resumed, expected = (torch.load(tmp_path / f / STATE_FILE, weights_only=True)["method"] for f in ("run", "whole"))
    assert all(torch.equal(resumed[key], expected[key]) for key in expected)


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


def test_an_occupied_run_folder_is_refused(project: Project, make_config: MakeConfig, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ProjectError, match=r"exists already; choose a new one or go on with --resume"):
        Trainer(project, make_config(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_resume_without_a_run_is_refused(project: Project, make_config: MakeConfig, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"no run to resume in .*start it without --resume"):
        Trainer(project, make_config(), tmp_path, resume=True)


def test_resume_with_another_configuration_is_refused(
    project: Project, make_config: MakeConfig, tmp_path: Path
) -> None:
    run_until(project, make_config(), tmp_path / "run", 1)
    with pytest.raises(ConfigError, match=re.escape("another configuration; resume it with its own config.json")):
        Trainer(project, make_config(seed=1), tmp_path / "run", resume=True)
    (tmp_path / "run" / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape("config.json")):
        Trainer(project, make_config(), tmp_path / "run", resume=True)


def _unsafe(path: Path) -> None:
    torch.save({"step": Path}, path)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda path: path.write_bytes(b"not a state"), "is damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1000]), "is damaged"),
        (_unsafe, "is damaged"),
        (lambda path: torch.save({"step": 1}, path), "holds another run"),
    ],
)
def test_a_bad_state_is_refused(
    damage: Callable[[Path], None], sentence: str, project: Project, make_config: MakeConfig, tmp_path: Path
) -> None:
    run_until(project, make_config(), tmp_path / "run", 1)
    damage(tmp_path / "run" / STATE_FILE)
    with pytest.raises(ProjectError, match=f"cannot be resumed: .*{sentence}"):
        Trainer(project, make_config(), tmp_path / "run", resume=True)


def test_a_run_that_was_stopped_before_its_first_state_begins_again(
    project: Project, make_config: MakeConfig, tmp_path: Path
) -> None:
    whole = Trainer(project, make_config(), tmp_path / "whole").run()
    run_until(project, make_config(), tmp_path / "run", 1)
    (tmp_path / "run" / STATE_FILE).unlink()
    again = Trainer(project, make_config(), tmp_path / "run", resume=True).run()
    assert logged(tmp_path / "run") == logged(tmp_path / "whole")
    weights = [load_checkpoint(result.model_path).network.parameters() for result in (whole, again)]
    assert all(torch.equal(one, other) for one, other in zip(*weights, strict=True))


def test_another_number_of_classes_is_refused(project: Project, make_config: MakeConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"num_classes is 3, but the project has 4 classes.*set it to 4"):
        Trainer(project, make_config(network={"num_classes": 3}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_patch_the_network_cannot_take_is_refused(project: Project, make_config: MakeConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"patch_size is \(8, 12, 13\).*multiples of \(2, 2, 2\)"):
        Trainer(project, make_config(data={"patch_size": (8, 12, 13)}), tmp_path / "run")


def test_a_run_folder_that_cannot_be_made_is_refused(project: Project, make_config: MakeConfig, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ProjectError, match="cannot be written"):
        Trainer(project, make_config(), tmp_path / "file" / "run").run()


def test_missing_cases_are_refused(
    fresh_project: Project, make_config: MakeConfig, make_scan: Callable, tmp_path: Path
) -> None:
    fresh_project.add_case(make_scan(0)[0], None, split="train")
    with pytest.raises(ProjectError, match="no labeled case to train on; accept"):
        Trainer(fresh_project, make_config(), tmp_path / "run")
    fresh_project.add_case(*make_scan(1), split="validation")
    with pytest.raises(ProjectError, match="no labeled case to train on; accept"):
        Trainer(fresh_project, make_config(), tmp_path / "run")


def test_a_method_with_two_streams_needs_unlabeled_cases(
    fresh_project: Project, make_config: MakeConfig, make_scan: Callable, tmp_path: Path
) -> None:
    fresh_project.add_case(*make_scan(0), split="train")
    with pytest.raises(ProjectError, match=r"no unlabeled case.*use method 'supervised'"):
        Trainer(fresh_project, make_config("vqseg"), tmp_path / "run")
    Trainer(fresh_project, make_config(), tmp_path / "run")


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_loss_that_is_not_finite_ends_the_run_with_a_sentence(
    value: float, project: Project, make_config: MakeConfig, tmp_path: Path
) -> None:
    trainer = Trainer(project, make_config(), tmp_path / "run")
    head = trainer.method.student.segmentation_decoder.head
    with torch.no_grad():
        head.bias.fill_(value)
    with pytest.raises(VQSegError, match=r"diverged: the loss is not finite at step 0; lower .* \(now 0.003\)"):
        trainer.run()


def test_a_gradient_that_is_not_finite_ends_the_run_before_it_reaches_the_weights(
    project: Project, make_config: MakeConfig, tmp_path: Path
) -> None:
    trainer = Trainer(project, make_config(), tmp_path / "run")
    weight = trainer.method.student.segmentation_decoder.head.weight
    weight.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(VQSegError, match="the gradient is not finite at step 0"):
        trainer.run()
    assert bool(torch.isfinite(weight).all())


def test_test_cases_are_never_read(make_config: MakeConfig, project: Project, tmp_path: Path) -> None:
    shutil.copytree(project.path, tmp_path / "project")
    copy = Project.open(tmp_path / "project")
    test_cases = copy.cases(split=Split.TEST)
    assert test_cases
    for record in test_cases:
        for file in copy.case_folder(record.case_id).glob("*.nii.gz"):
            file.unlink()
    Trainer(copy, make_config("vqseg", method=VQSEG), tmp_path / "run").run()
    assert (tmp_path / "run" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("dice", "kept"), [((0.4, 0.6, 0.5), 4), ((0.0, 0.0, 0.0), 2), ((math.nan,) * 3, 6), ((math.nan, 0.2, 0.1), 4)]
)
def test_the_weights_with_the_best_validation_are_kept(
    dice: tuple[float, ...],
    kept: int,
    project: Project,
    make_config: MakeConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores = iter(dice)
    weights: dict[int, torch.Tensor] = {}

    def score(_project: object, records: tuple, candidate: InMemoryModel, *_: object) -> ValidationScores:
        assert {record.split for record in records} == {Split.VALIDATION}
        weights[trainer.step] = candidate.network.segmentation_decoder.head.weight.detach().clone()
        return ValidationScores({"Cord": next(scores)})

    monkeypatch.setattr(trainer_module, "validate", score)
    trainer = Trainer(project, make_config(validation_interval=2), tmp_path / "run")
    result = trainer.run()
    assert result.best_step == kept
    saved = load_checkpoint(result.model_path).network.state_dict()["segmentation_decoder.head.weight"]
    assert torch.equal(saved, weights[kept])


def test_without_validation_cases_the_last_weights_are_kept(
    fresh_project: Project, make_config: MakeConfig, make_scan: Callable, tmp_path: Path
) -> None:
    fresh_project.add_case(*make_scan(0), split="train")
    result = Trainer(fresh_project, make_config(), tmp_path / "run").run()
    assert result.best_step == 6
    assert math.isnan(result.best_dice)
    assert load_checkpoint(result.model_path).card.validation is None


def test_mixed_precision_trains(project: Project, make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config("vqseg", method=VQSEG, device={"precision": "bf16-mixed"}, max_steps=3)
    Trainer(project, config, tmp_path / "run").run()
    (event,) = (event for event in read_events(tmp_path / "run") if event["event"] == "step")
    assert math.isfinite(event["loss/total"])


@pytest.mark.parametrize(
    ("name", "steps", "method"),
    [
        ("supervised", 100, {}),
        pytest.param("vqseg", 280, {"pretraining_steps": 180, "rampup_steps": 50}, marks=pytest.mark.slow),
    ],
)
def test_one_labeled_patch_is_learned(
    name: str,
    steps: int,
    method: dict[str, int],
    fresh_project: Project,
    make_config: MakeConfig,
    make_scan: Callable,
    tmp_path: Path,
) -> None:
    """The scan is both training and validation case (under another patient), so nothing but learning is measured."""
    image, label = (Volume(scan.array[4:12, 5:17, 8:20], scan.affine_ijk_to_ras) for scan in make_scan(3))
    assert {int(value) for value in np.unique(label.array)} == {0, 2, 9}
    fresh_project.add_case(image, label, split="train")
    fresh_project.add_case(image.with_array(image.array + 1), label, split="validation")
    fresh_project.add_case(make_scan(4)[0], None, split="train")
    config = make_config(
        name,
        method={"segmentation_loss": "ce_dice", "ema_decay": 0.8, **method},
        data={"batch_labeled": 1, "batch_unlabeled": 1, "foreground_probability": 0},
        augmentation={"rotation_degrees": 0, "scale": 0, "mirror_left_right": False, "labeled_intensity": 0},
        optimizer={"learning_rate": 0.02, "weight_decay": 0},
        max_steps=steps,
        validation_interval=steps,
    )
    result = Trainer(fresh_project, config, tmp_path / "run").run()
    assert result.best_dice > 0.95
