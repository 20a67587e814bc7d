"""The models of a project: promoted by the rule or with a reason, rolled back, exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from VQSegLib.errors import Cancelled, ModelFileError, ProjectError, UserError
from VQSegLib.labels import LabelTable
from VQSegLib.models.checkpoint import load_checkpoint, save_checkpoint
from VQSegLib.project.folder import Project
from VQSegLib.resources import find_model
from VQSegLib.service import Service
from VQSegLib.volume import Volume

AFFINE = np.diag([-2.0, -2.0, 3.0, 1.0])


@pytest.fixture
def project(tmp_path: Path, tiny_labels: LabelTable, tiny_model: Path) -> Project:
    """Two held-out cases that the tiny model solves perfectly, because they are what it answers."""
    from VQSegLib.inference.predictor import Predictor

    made = Project.create(tmp_path / "Projekt", tiny_labels)
    predictor = Predictor(load_checkpoint(tiny_model), device="cpu")
    for seed in range(2):
        array = np.random.default_rng(seed).integers(-1000, 1000, (4, 24, 32), dtype=np.int16)
        image = Volume(array, AFFINE)
        made.add_case(image, predictor.predict(image).label_map, split="held_out")
    return made


@pytest.fixture
def worse(tiny_model: Path, tmp_path: Path) -> Path:
    """A model that finds nothing."""
    model = load_checkpoint(tiny_model)
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.zero_()
    save_checkpoint(tmp_path / "worse.safetensors", model.network, model.card.model_copy(update={"name": "worse"}))
    return tmp_path / "worse.safetensors"


def test_the_first_model_is_the_users_choice(project: Project, tiny_model: Path) -> None:
    done = Service().promote_model(project.path, str(tiny_model), decided_by="Ö")
    assert (done.is_promoted, done.comparison) == (True, None)
    assert find_model(str(project.path)) == project.models.active_path()
    current = project.models.active().current
    assert current is not None
    assert (current.decided_by, current.rule) == ("Ö", "No model was in use before; the user decided.")


def test_a_worse_model_needs_a_reason_which_is_recorded(project: Project, tiny_model: Path, worse: Path) -> None:
    service, told = Service(), []
    service.promote_model(project.path, str(tiny_model))
    refused = service.promote_model(project.path, str(worse), on_progress=lambda *it: told.append(it))
    assert not refused.is_promoted
    assert "worse by the rule, because its mean Dice is lower" in refused.sentence
    assert [one.name for one in (refused.comparison.old, refused.comparison.new)] == ["tiny", "worse"]
    assert told[0][1] == "Segmenting held-out scan 1 of 4"
    assert len(project.models.list()) == 1, "A refused model does not belong to the project."
    done = service.promote_model(project.path, str(worse), reason="For the test.")
    assert done.is_promoted
    rule = project.models.active().current.rule
    assert rule.endswith("Decided by the user. Reason given: For the test.")
    models, active = service.list_shelf(project.path)
    assert {model.name: model.is_in_use for model in models} == {"tiny": False, "worse": True}
    assert active.can_roll_back
    back = service.roll_back_model(project.path, reason="Finds nothing.")
    assert back.current.model_id == project.models.find_sha256(load_checkpoint(tiny_model).sha256)
    assert back.current.rule == "Asked for by the user: Finds nothing."


def test_a_better_model_passes_by_the_rule(project: Project, tiny_model: Path, worse: Path) -> None:
    service = Service()
    service.promote_model(project.path, str(worse))
    done = service.promote_model(project.path, str(tiny_model))
    assert done.is_promoted
    assert done.comparison.figures.dice.new == 1.0
    assert "A new model takes the place of the old one if" in project.models.active().current.rule


def test_a_cancelled_promotion_changes_nothing(project: Project, tiny_model: Path, worse: Path) -> None:
    service = Service()
    service.promote_model(project.path, str(worse))
    with pytest.raises(Cancelled):
        service.promote_model(project.path, str(tiny_model), cancelled=lambda: True)

    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        service.promote_model(project.path, str(tiny_model), before_commit=stop)
    assert project.models.active().current.model_id == next(iter(project.models.list()))


def test_comparing_needs_something_to_compare_with(project: Project, tiny_model: Path) -> None:
    with pytest.raises(ProjectError, match="nothing to compare with"):
        Service().compare_models(project.path, str(tiny_model))
    with pytest.raises(ModelFileError, match="There is no model 'nonsense'"):
        Service().compare_models(project.path, "nonsense", str(tiny_model))


def test_an_exported_model_is_the_same_file_and_nothing_is_overwritten(
    project: Project, tiny_model: Path, tmp_path: Path
) -> None:
    service = Service()
    model_id = project.models.add(tiny_model)
    output = service.export_model(project.path, model_id, tmp_path / "für Kollegen.safetensors")
    assert output.read_bytes() == tiny_model.read_bytes()
    with pytest.raises(UserError, match="exists already"):
        service.export_model(project.path, model_id, output)
    with pytest.raises(UserError, match="ending that cannot be written"):
        service.export_model(project.path, model_id, tmp_path / "model.zip")


def test_a_project_without_a_model_in_use_is_told(project: Project) -> None:
    with pytest.raises(ModelFileError, match="has no model in use; promote one"):
        find_model(str(project.path))


def test_the_command_line_compares_promotes_lists_rolls_back_and_exports(
    run_cli: Any, assert_mistake: Any, project: Project, tiny_model: Path, worse: Path, tmp_path: Path
) -> None:
    promoted = run_cli("models", "promote", project.path, tiny_model, "--annotator", "Ö")
    assert promoted.stdout.startswith("In use now. No model was in use before")
    compared = run_cli("models", "compare", project.path, worse)
    assert "Cord" in compared.stdout
    assert "worse by the rule" in compared.stdout
    assert '"verdict": "worse"' in run_cli("models", "compare", project.path, worse, "--json").stdout
    assert_mistake(run_cli("models", "promote", project.path, worse), "worse by the rule", "--despite")
    assert run_cli("models", "promote", project.path, worse, "--despite", "A test.").returncode == 0
    listed = run_cli("models", "shelf", project.path).stdout
    assert "* model-" in listed
    assert "promoted model-" in listed
    assert "by Ö" in listed
    assert '"history"' in run_cli("models", "shelf", project.path, "--json").stdout
    back = run_cli("models", "rollback", project.path, "--reason", "Enough.")
    model_id = back.stdout.removeprefix("In use now: ").rstrip(".\n")
    written = run_cli("models", "export", project.path, model_id, "--output", tmp_path / "out.safetensors")
    assert "out.safetensors" in written.stdout
    assert run_cli("models", "rollback", project.path).stdout == "In use now: no model of the project.\n"
    assert_mistake(run_cli("models", "rollback", project.path), "nothing to roll back")
