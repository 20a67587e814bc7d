"""Two model files on the held-out cases of a project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from VQSegLib.errors import Cancelled
from VQSegLib.inference.predictor import Predictor
from VQSegLib.models.checkpoint import load_checkpoint, read_card, save_checkpoint
from VQSegLib.models.model_file import read_header
from VQSegLib.project.document import add_label
from VQSegLib.project.folder import Project
from VQSegLib.project.review import Review
from VQSegLib.training import gate as gate_module
from VQSegLib.training import trainer as trainer_module
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.figures import Verdict
from VQSegLib.training.gate import compare_models, find_held_out
from VQSegLib.training.held_out_scores import ScoreStore
from VQSegLib.training.judged import load_judged
from VQSegLib.training.trainer import Trainer


@pytest.fixture(scope="module")
def models(
    tmp_path_factory: pytest.TempPathFactory, make_config: Callable[..., TrainingConfig], sided_labels, make_scan
) -> tuple[Path, Path]:
    """Two models of a project without held-out cases, one step and twelve steps old."""
    folder = tmp_path_factory.mktemp("models")
    project = Project.create(folder / "project", sided_labels)
    project.add_case(*make_scan(0), split="train")
    paths = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer_module, "save_curves", lambda it: it)
        for steps in (1, 12):
            paths.append(Trainer(project, make_config(max_steps=steps), folder / f"run {steps}").run().model_path)
    return paths[0], paths[1]


@pytest.fixture
def project(fresh_project: Project, make_scan: Callable) -> Project:
    """Ten labeled patients, two of them held out."""
    for seed in range(10):
        fresh_project.add_case(*make_scan(seed))
    assert len(find_held_out(fresh_project)) == 2
    return fresh_project


def test_models_are_compared_and_nothing_is_segmented_twice(
    project: Project, models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int]] = []
    found = compare_models(project, *models, device="cpu", on_case=lambda done, total: told.append((done, total)))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert found.figures.patients == len(found.figures.cases) == 2
    assert found.new.sha256 == read_header(models[1]).sha256
    assert found.verdict in (Verdict.WORSE, Verdict.NOT_WORSE)
    assert len(found.figures.labels) == 3
    monkeypatch.setattr(gate_module, "load_checkpoint", lambda _: pytest.fail("loaded again"))
    assert compare_models(project, *models, device="cpu") == found
    swapped = compare_models(project, *models[::-1], device="cpu")
    assert swapped.figures.dice.difference == -found.figures.dice.difference


def test_a_model_is_not_worse_than_itself(project: Project, models: tuple[Path, Path]) -> None:
    found = compare_models(project, models[1], models[1], device="cpu")
    assert found.verdict == Verdict.NOT_WORSE
    assert (found.figures.dice.difference, found.figures.dice.low, found.figures.dice.high) == (0, 0, 0)


def test_a_revised_label_map_is_scored_again(project: Project, models: tuple[Path, Path], make_scan: Callable) -> None:
    before = compare_models(project, *models, device="cpu")
    record = find_held_out(project)[0]
    project.revise_case(record.case_id, make_scan(99)[1], Review())
    after = compare_models(project, *models, device="cpu")
    changed = [a != b for a, b in zip(before.figures.cases, after.figures.cases, strict=True)]
    assert sum(changed) == 1


def test_excluded_cases_compare_nothing(project: Project, models: tuple[Path, Path]) -> None:
    project.exclude_case(find_held_out(project)[0].case_id)
    found = compare_models(project, *models, device="cpu")
    assert (found.figures.patients, found.verdict) == (1, Verdict.UNDECIDED)


def test_comparing_can_be_cancelled(project: Project, models: tuple[Path, Path]) -> None:
    with pytest.raises(Cancelled):
        compare_models(project, *models, device="cpu", cancelled=lambda: True)


def test_unreviewed_slices_and_unjudged_labels_are_not_scored(
    fresh_project: Project, models: tuple[Path, Path], make_scan: Callable
) -> None:
    image, label = make_scan(3)
    fresh_project.add_case(image, label, split="held_out", review=Review(reviewed_slices=(4, 5)))
    (record,) = find_held_out(fresh_project)
    fresh_project.change_document(lambda it: add_label(it, "Larynx"))
    judged = load_judged(fresh_project, record, fresh_project.labels)
    assert judged.labels is not None
    assert [one.name for one in judged.labels.labels] == ["Right gland", "Cord", "Left gland"]
    predicted = Predictor(load_checkpoint(models[1]), device="cpu").predict(image).label_map.array
    found = compare_models(fresh_project, *models, device="cpu")
    wrong = np.count_nonzero(predicted[4:6] != label.array[4:6])
    assert found.figures.cases[0].new_wrong_voxels == wrong
    assert [one.cases for one in found.figures.labels if one.name == "Larynx"] == [0]


def test_the_card_of_a_new_model_tells_its_held_out_scores_which_are_kept(
    project: Project, make_config: Callable[..., TrainingConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer_module, "save_curves", lambda folder: folder)
    path = Trainer(project, make_config(max_steps=8), tmp_path / "run").run().model_path
    card = read_card(path)
    assert card.held_out is not None
    assert (card.held_out.split, card.held_out.cases) == ("held_out", 2)
    assert set(card.held_out.mean) == {"dice", "hd95_mm"}
    assert card.validation is None
    found = compare_models(project, path, path, device="cpu")
    assert found.figures.dice.old == pytest.approx(card.held_out.mean["dice"], abs=1e-6)
    for record in find_held_out(project):
        assert ScoreStore(project).load(read_header(path).sha256, record, project.labels) is not None


def test_infinite_distances_survive_being_kept(project: Project, models: tuple[Path, Path], tmp_path: Path) -> None:
    """A model that finds nothing has infinite distances; read back as missing they would be scored for ever."""
    import torch

    model = load_checkpoint(models[0])
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.zero_()
    blind = tmp_path / "blind.safetensors"
    sha256 = save_checkpoint(blind, model.network, model.card)
    compare_models(project, models[1], blind, device="cpu")
    score = ScoreStore(project).load(sha256, find_held_out(project)[0], project.labels)
    assert score is not None
    assert score.scores is not None
    assert {label.scores["hd95_mm"] for label in score.scores.labels} == {float("inf")}
