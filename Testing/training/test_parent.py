"""A run that starts from the weights of a model file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from VQSegLib.errors import Cancelled, ConfigError, ModelFileError
from VQSegLib.labels import Label, LabelTable
from VQSegLib.models.checkpoint import Model, load_checkpoint
from VQSegLib.project.document import reorder_labels
from VQSegLib.project.folder import Project
from VQSegLib.training import trainer as trainer_module
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.parent import load_parent, read_class_order
from VQSegLib.training.request import TrainingRequest, build_config
from VQSegLib.training.splits import select_cases
from VQSegLib.training.trainer import Trainer

MakeConfig = Callable[..., TrainingConfig]
WIDER = {"kind": "conv", "channels": (8, 24), "strides": ((1, 1, 1), (2, 2, 2))}
STANDING_STILL = {"learning_rate": 1e-12, "weight_decay": 0, "warmup_steps": 0}


@pytest.fixture(autouse=True)
def _no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer_module, "save_curves", lambda folder: folder)


@pytest.fixture(scope="module", params=["supervised", "vqseg"])
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def parent_path(
    project: Project, make_config: MakeConfig, tmp_path_factory: pytest.TempPathFactory, method: str
) -> Path:
    """A model that has learned for a few steps, in a folder named like a patient."""
    output = tmp_path_factory.mktemp("Müller Anna") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer_module, "save_curves", lambda folder: folder)
        return Trainer(project, make_config(method, seed=5), output).run().model_path


def largest_change(one: Model, other: Model) -> float:
    """Return the largest difference of two models' parameters they share."""
    mine, others = dict(one.network.named_parameters()), dict(other.network.named_parameters())
    return max(float((mine[name] - others[name]).detach().abs().max()) for name in mine.keys() & others.keys())


def test_weights_come_from_the_parent_and_the_card_names_it(
    project: Project, make_config: MakeConfig, parent_path: Path, tmp_path: Path, method: str
) -> None:
    parent = load_checkpoint(parent_path)
    config = make_config(method, parent=str(parent_path), optimizer=STANDING_STILL, max_steps=1, seed=6)
    child = load_checkpoint(Trainer(project, config, tmp_path / "child").run().model_path)
    fresh = make_config(method, optimizer=STANDING_STILL, max_steps=1, seed=6)
    stranger = load_checkpoint(Trainer(project, fresh, tmp_path / "stranger").run().model_path)
    assert largest_change(child, parent) < 1e-6
    assert largest_change(stranger, parent) > 1e-2
    assert child.card.parent is not None
    assert (child.card.parent.name, child.card.parent.sha256) == (parent.card.name, parent.sha256)
    assert stranger.card.parent is None
    assert "Müller" not in child.card.model_dump_json()


def test_a_run_with_a_parent_resumes_as_if_it_had_not_stopped(
    project: Project, make_config: MakeConfig, parent_path: Path, tmp_path: Path, method: str
) -> None:
    config = make_config(method, parent=str(parent_path))
    whole = load_checkpoint(Trainer(project, config, tmp_path / "whole").run().model_path)
    steps = iter([False] * 4 + [True] * 9)
    with pytest.raises(Cancelled, match="stopped at step"):
        Trainer(project, config, tmp_path / "parts", cancelled=lambda: next(steps)).run()
    parts = load_checkpoint(Trainer(project, config, tmp_path / "parts", resume=True).run().model_path)
    assert all(torch.equal(a, b) for a, b in zip(whole.network.parameters(), parts.network.parameters(), strict=True))
    assert parts.card.parent == whole.card.parent


def test_network_and_preprocessing_are_the_parents_unless_given(
    project: Project, parent_path: Path, method: str
) -> None:
    settings = (f"parent={parent_path}", "data.patch_size=[8,12,12]")
    config = build_config(project, TrainingRequest(method=method, settings=settings), parent_path.parent)
    card = load_checkpoint(parent_path).card
    assert config.network == card.network
    assert config.preprocessing == card.preprocessing
    assert load_parent(config, project.labels, parent_path.parent) is not None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"network": {"encoder": WIDER}}, "another network than the model"),
        ({"preprocessing": {"window_low": -500}}, "another preprocessing than the model"),
    ],
)
def test_a_parent_of_another_kind_is_refused(
    project: Project,
    make_config: MakeConfig,
    parent_path: Path,
    change: dict[str, object],
    words: str,
    tmp_path: Path,
    method: str,
) -> None:
    with pytest.raises(ConfigError, match=words):
        Trainer(project, make_config(method, parent=str(parent_path), **change), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_parent_with_other_labels_is_refused_and_both_are_named(
    make_config: MakeConfig, parent_path: Path, sided_labels: LabelTable, method: str
) -> None:
    config = make_config(method, parent=str(parent_path))
    more = LabelTable(labels=(*sided_labels.labels, Label(value=77, name="Larynx", color=(1, 1, 1))))
    with pytest.raises(ConfigError, match=r"does not know Larynx \(77\)"):
        load_parent(config, more, parent_path.parent)
    with pytest.raises(ConfigError, match=r"also knows Left gland \(2\)"):
        load_parent(config, LabelTable(labels=sided_labels.labels[:2]), parent_path.parent)


def test_a_reordered_label_table_trains_the_same_classes(
    project: Project, make_config: MakeConfig, parent_path: Path, method: str
) -> None:
    """Class order is the parent's; otherwise a renamed or reordered table would teach glands to the cord's output."""
    config = make_config(method, parent=str(parent_path))
    before = project.document
    values = before.labels.values
    project.change_document(lambda it: reorder_labels(it, values[::-1]))
    try:
        cases = select_cases(project, uses_unlabeled=False, class_order=read_class_order(config, parent_path.parent))
    finally:
        project.change_document(lambda it: reorder_labels(it, values))
    assert cases.labels == before.labels
    assert load_parent(config, cases.labels, parent_path.parent) is not None


def test_a_missing_parent_is_refused(project: Project, make_config: MakeConfig, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no such"):
        Trainer(project, make_config("supervised", parent=str(tmp_path / "no such.safetensors")), tmp_path / "run")
