"""Promoting and rolling back change which model is in use, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from VQSegLib.errors import ModelFileError, ProjectError
from VQSegLib.models.checkpoint import load_checkpoint, read_card, save_checkpoint
from VQSegLib.project.folder import Project


@pytest.fixture(scope="session")
def other_model(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A second model file."""
    model = load_checkpoint(tiny_model)
    path = tmp_path_factory.mktemp("other") / "other.safetensors"
    save_checkpoint(path, model.network, model.card.model_copy(update={"name": "other"}))
    return path


def test_model_is_copied_once_and_listed(project: Project, tiny_model: Path, tmp_path: Path) -> None:
    model_id = project.models.add(tiny_model)
    assert project.models.path(model_id).read_bytes() == tiny_model.read_bytes()
    shutil.copy(tiny_model, tmp_path / "again.safetensors")
    assert project.models.add(tmp_path / "again.safetensors") == model_id
    assert list(project.models.list()) == [model_id]
    assert project.models.active().current is None
    assert project.models.active_path() is None


def test_promote_and_roll_back_with_history(project: Project, tiny_model: Path, other_model: Path) -> None:
    shelf = project.models
    first, second = shelf.add(tiny_model), shelf.add(other_model)
    contents = {path: path.read_bytes() for path in shelf.folder.glob("*.safetensors")}
    shelf.promote(first, rule="The first one.", decided_by="Ärztin 1")
    shelf.promote(second, rule="Dice 0.8 after 0.7 on 3 cases.")
    assert Project.open(project.path).models.active_path() == shelf.path(second)
    shelf.roll_back(decided_by="Ärztin 1")
    assert shelf.active_path() == shelf.path(first)
    shelf.promote(second, rule="Once more.")
    shelf.roll_back()
    shelf.roll_back()
    assert shelf.active_path() is None
    history = Project.open(project.path).models.active().history
    assert [(one.action, one.model_id) for one in history] == [
        ("promoted", first),
        ("promoted", second),
        ("rolled_back", first),
        ("promoted", second),
        ("rolled_back", first),
        ("rolled_back", None),
    ]
    assert history[0].decided_by == "Ärztin 1"
    assert history[1].rule == "Dice 0.8 after 0.7 on 3 cases."
    assert history[1].model_sha256 == load_checkpoint(other_model).sha256
    assert {path: path.read_bytes() for path in shelf.folder.glob("*.safetensors")} == contents
    assert read_card(shelf.path(second)).name == "other"


def test_wrong_use_is_refused_and_changes_nothing(project: Project, tiny_model: Path, other_model: Path) -> None:
    shelf = project.models
    with pytest.raises(ProjectError, match="it has: none"):
        shelf.promote("model-0000000000", rule="")
    with pytest.raises(ProjectError, match="nothing to roll back"):
        shelf.roll_back()
    first, second = shelf.add(tiny_model), shelf.add(other_model)
    shelf.promote(first, rule="")
    with pytest.raises(ProjectError, match="in use already"):
        shelf.promote(first, rule="")
    shelf.promote(second, rule="")
    before = (shelf.folder / "active.json").read_bytes()
    shelf.path(first).unlink()
    with pytest.raises(ProjectError, match="no model"):
        shelf.roll_back()
    assert (shelf.folder / "active.json").read_bytes() == before


def test_damaged_model_is_neither_added_nor_promoted(project: Project, tiny_model: Path, tmp_path: Path) -> None:
    content = bytearray(tiny_model.read_bytes())
    content[-1] ^= 1
    (tmp_path / "damaged.safetensors").write_bytes(content)
    with pytest.raises(ModelFileError, match="damaged"):
        project.models.add(tmp_path / "damaged.safetensors")
    assert project.models.list() == {}
    model_id = project.models.add(tiny_model)
    project.models.path(model_id).write_bytes(content)
    with pytest.raises(ModelFileError, match="damaged"):
        project.models.promote(model_id, rule="")
    assert project.models.active().history == ()


def test_damaged_history_is_told(project: Project) -> None:
    (project.models.folder / "active.json").write_text("{")
    with pytest.raises(ProjectError, match="damaged"):
        project.models.active()
