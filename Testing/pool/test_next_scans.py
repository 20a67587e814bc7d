"""The pool of a real project looked at by a real model: through the library, the command line and the worker."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from VQSegLib.errors import Cancelled, ProjectError, UserError
from VQSegLib.image_files import load_volume
from VQSegLib.labels import LabelTable
from VQSegLib.models.checkpoint import Model, load_checkpoint
from VQSegLib.pool.next_scans import find_next_scans
from VQSegLib.pool.survey import Surveyor
from VQSegLib.pool.survey_store import SurveyStore
from VQSegLib.project.folder import Project
from VQSegLib.service import Service
from VQSegLib.volume import Volume

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def model(tiny_model: Path) -> Model:
    """A tiny model with random weights."""
    return load_checkpoint(tiny_model)


@pytest.fixture(scope="session")
def ct() -> Volume:
    """The first slices of a real CT."""
    whole = load_volume(ROOT / "Testing" / "data" / "ct-64.nrrd")
    return Volume(whole.array[:16], whole.affine_ijk_to_ras)


@pytest.fixture
def project(tmp_path: Path, tiny_labels: LabelTable, ct: Volume) -> Project:
    """One labeled scan, one that looks nearly the same, one of noise, one excluded, one held out."""
    made = Project.create(tmp_path / "project", tiny_labels)
    label = np.zeros(ct.shape_kji, np.uint8)
    label[5:9, 20:30, 20:30] = 2
    made.add_case(ct, ct.with_array(label))
    made.add_case(ct.with_array(ct.array + 1), None)
    noise = np.random.default_rng(0).integers(-1000, 1000, ct.shape_kji, dtype=np.int16)
    made.add_case(ct.with_array(noise), None)
    made.exclude_case(made.add_case(ct.with_array(noise[::-1]), None).case_id)
    made.add_case(ct.with_array(noise[:, ::-1]), None, split="held_out")
    return made


def test_survey_sums_entropy_and_counts_codes(model: Model, ct: Volume) -> None:
    survey = Surveyor(model, device="cpu").survey(ct)
    assert survey.code_shares is not None
    assert survey.code_shares.sum() == pytest.approx(1)
    assert survey.code_shares.shape == (8,)
    assert survey.unsure_nats_ml.shape == (2,)
    voxel_ml = np.prod(ct.spacing_mm_kji) / 1000
    assert 0 < survey.unsure_nats_ml.sum() <= ct.array.size * voxel_ml * np.log(3) * 1.01


def test_only_the_unlabeled_training_pool_is_ranked(project: Project, model: Model) -> None:
    found = find_next_scans(project, model, limit=10, device="cpu")
    pool = [one.case_id for one in project.cases(state="unlabeled", split="train")]
    assert found.pool == 2
    assert sorted(one.case_id for one in found.scans) == sorted(pool)
    assert found.failed == {}
    assert found.scans[0].reason.endswith(".")
    assert all(one.novelty is not None for one in found.scans)


def test_scans_are_looked_at_once_by_each_model(
    project: Project, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = find_next_scans(project, model, limit=10, device="cpu")

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("the scan was looked at again")

    monkeypatch.setattr(Surveyor, "survey", refuse)
    assert find_next_scans(project, model, limit=10, device="cpu") == first
    assert len(find_next_scans(project, model, limit=1, device="cpu").scans) == 1


def test_survey_of_another_image_is_not_taken(project: Project, model: Model) -> None:
    find_next_scans(project, model, limit=1, device="cpu")
    (record,) = project.cases(state="queued")
    store = SurveyStore(project.path, model.sha256)
    assert store.find(record.case_id, record.image.sha256) is not None
    assert store.find(record.case_id, "0" * 64) is None
    assert SurveyStore(project.path, "0" * 64).find(record.case_id, record.image.sha256) is None


def test_damaged_scan_does_not_stop_the_others(project: Project, model: Model) -> None:
    damaged = project.cases(state="unlabeled", split="train")[0].case_id
    (project.case_folder(damaged) / "image.nii.gz").unlink()
    found = find_next_scans(project, model, limit=10, device="cpu")
    assert list(found.failed) == [damaged]
    assert len(found.scans) == 1


def test_what_was_looked_at_is_kept_when_it_is_stopped(project: Project, model: Model) -> None:
    stages: set[str] = set()
    with pytest.raises(Cancelled):
        find_next_scans(
            project,
            model,
            limit=10,
            device="cpu",
            on_progress=lambda _fraction, stage: stages.add(stage),
            cancelled=lambda: "Looking at scan 2 of 3" in stages,
        )
    assert len(list((project.path / "cache" / "surveys").rglob("*.json"))) == 1


def test_nothing_to_label_and_wrong_use_are_one_sentence(
    tmp_path: Path, tiny_labels: LabelTable, model: Model, project: Project
) -> None:
    empty = Project.create(tmp_path / "empty", tiny_labels)
    with pytest.raises(ProjectError, match="no unlabeled scan"):
        find_next_scans(empty, model, limit=1, device="cpu")
    with pytest.raises(UserError, match="uses no model of its own"):
        Service().find_next_scans(project.path)
    with pytest.raises(UserError, match="At least 1"):
        Service().find_next_scans(project.path, limit=0)


def test_command_line_and_worker_give_the_same_order(run_cli, project: Project, tiny_model: Path) -> None:
    from VQSegLib.wire_client import BlockingClient

    project.models.promote(project.models.add(tiny_model), rule="The only one.")
    result = run_cli("cases", "next", project.path, "--device", "cpu", "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    lines = run_cli("cases", "next", project.path, "--device", "cpu", "--limit", "1").stdout.splitlines()
    assert lines == [f"{told['scans'][0]['case_id']}\t{told['scans'][0]['score']:.2f}\t{told['scans'][0]['reason']}"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "OMP_NUM_THREADS": "2"}
    with BlockingClient([sys.executable, "-m", "VQSegLib.worker"], env=env, timeout_seconds=120) as client:
        answer = client.request("cases/next", {"project": str(project.path), "device": "cpu"})
    assert answer == told
