"""A scan that a model saw in the unlabeled pool is labeled later and held out: the comparison says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from VQSegLib.models.checkpoint import read_card
from VQSegLib.project.folder import Project
from VQSegLib.training import trainer as trainer_module
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.gate import compare_models, find_held_out
from VQSegLib.training.trainer import Trainer


@pytest.fixture
def train(
    fresh_project: Project,
    make_config: Callable[..., TrainingConfig],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Path]:
    """Train one step and put the model on the project's shelf."""
    monkeypatch.setattr(trainer_module, "save_curves", lambda folder: folder)

    def train(name: str, parent: Path | None = None, *, pool: bool) -> Path:
        method = {"name": "vqseg", "pretraining_steps": 0 if pool else 1}
        config = make_config(method=method, max_steps=1, parent=None if parent is None else str(parent))
        path = Trainer(fresh_project, config, tmp_path / name).run().model_path
        return fresh_project.models.path(fresh_project.models.add(path))

    return train


def test_a_comparison_tells_which_models_saw_held_out_scans_in_a_pool(
    fresh_project: Project, make_scan: Callable, train: Callable[..., Path]
) -> None:
    for seed in range(4):
        fresh_project.add_case(*make_scan(seed))
    pooled = fresh_project.add_case(make_scan(4)[0], None)
    first = train("first", pool=True)
    assert read_card(first).training.unlabeled_voxel_sha256 == (pooled.image.voxel_sha256,)
    second = train("second", first, pool=False)
    assert read_card(second).training.unlabeled_voxel_sha256 == ()
    fresh_project.add_case(*make_scan(4))
    assert [record.case_id for record in find_held_out(fresh_project)] == [pooled.case_id]
    blind = train("blind", pool=False)

    notes = compare_models(fresh_project, blind, first, device="cpu").notes
    assert [note for note in notes if "pool" in note] == [
        "1 of 1 held-out scans were in the unlabeled pool that the new model or one it started from learned from, "
        "which may favour it."
    ]
    inherited = [note for note in compare_models(fresh_project, second, blind, device="cpu").notes if "pool" in note]
    assert len(inherited) == 1
    assert "the old model" in inherited[0]
    assert not any("pool" in note for note in compare_models(fresh_project, blind, blind, device="cpu").notes)
