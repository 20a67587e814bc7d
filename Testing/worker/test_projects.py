"""Projects over the wire: a real worker, real arrays, real folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from VQSegLib import wire
from VQSegLib.image_files import save_volume
from VQSegLib.project.folder import Project
from VQSegLib.volume import Volume
from VQSegLib.wire import WireArray
from VQSegLib.wire_client import BlockingClient, RequestFailed
from worker_process import AFFINE, ROOT, send

LABELS = {
    "labels": [
        {"value": 2, "name": "Cord", "color": [255, 0, 0]},
        {"value": 5, "name": "Larynx", "color": [0, 255, 0]},
    ]
}


@pytest.fixture
def project(worker: BlockingClient, tmp_path: Path) -> str:
    """A new project."""
    path = str(tmp_path / "Projekt ä")
    made = worker.request("projects/create", {"project": path, "labels": LABELS, "intensity_window": [-200, 300]})
    assert made["counts"] == {"unlabeled": 0, "queued": 0, "trained": 0, "excluded": 0}
    return path


def draw(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1000, 1000, (6, 24, 32), dtype=np.int16)


def mask(name: str, *voxels_ijk: tuple[int, int, int], value: int | None = None) -> dict[str, Any]:
    """Return a structure in a box of 4 x 3 x 2 voxels (i, j, k) from (5, 6, 1)."""
    array = np.zeros((2, 3, 4), np.uint8)
    for i, j, k in voxels_ijk:
        array[k, j, i] = 1
    return {
        "name": name,
        "value": value,
        "extent_ijk": [5, 8, 6, 8, 1, 2],
        "array": WireArray.from_numpy(array),
    }


def refusal(worker: BlockingClient, method: str, params: dict[str, Any], code: int = wire.USER_ERROR) -> str:
    with pytest.raises(RequestFailed) as refused:
        worker.request(method, params)
    assert refused.value.code == code
    return str(refused.value)


def test_corrected_proposal_becomes_a_case_with_its_history(
    worker: BlockingClient, project: str, tiny_model: Path
) -> None:
    volume = send(worker, draw(0))
    worker.request("segment", {"volume": volume, "model": str(tiny_model), "device": "cpu"})
    labels = [mask("Cord", (0, 0, 0), (1, 0, 0)), {"name": "Larynx"}]
    answer = worker.request(
        "cases/add",
        {
            "project": project,
            "volume": volume,
            "labels": labels,
            "model": str(tiny_model),
            "annotator_id": "Ärztin 1",
            "started": "2026-11-01T10:00:00+00:00",
            "reviewed_slices_k": [1, 2],
        },
    )
    assert answer["confirm"] is None
    record = Project.open(Path(project)).case(answer["case"]["case_id"])
    (revision,) = record.labels
    assert revision.provenance.annotator_id == "Ärztin 1"
    assert revision.provenance.model_id == "tiny"
    assert revision.reviewed_slices == (1, 2)
    assert revision.edits is not None
    assert revision.edits.voxels > 0
    stored = Project.open(Path(project)).load_label(record.case_id)
    assert np.argwhere(stored.array).tolist() == [[1, 6, 5], [1, 6, 6]]
    assert stored.array.max() == 2
    np.testing.assert_allclose(stored.affine_ijk_to_ras, AFFINE)


def test_case_is_opened_corrected_and_revised(worker: BlockingClient, project: str) -> None:
    array = draw(1)
    added = worker.request(
        "cases/add", {"project": project, "volume": send(worker, array), "labels": [mask("Larynx", (0, 0, 0))]}
    )
    case_id = added["case"]["case_id"]
    opened = worker.request("cases/open", {"project": project, "case": case_id})
    assert opened["dtype"] == "<i2"
    slabs = [
        worker.request("volume/read", {"volume": opened["volume"], "start_k": k, "stop_k": k + 4})["array"]
        for k in (0, 4)
    ]
    received = np.concatenate([np.frombuffer(slab.data, slab.dtype).reshape(slab.shape) for slab in slabs])
    np.testing.assert_array_equal(received, array)
    larynx = opened["labels"][1]
    assert (larynx["name"], larynx["value"], larynx["voxels"]) == ("Larynx", 5, 1)
    assert larynx["extent_ijk"] == [5, 5, 6, 6, 1, 1]
    correction = {
        "project": project,
        "volume": opened["volume"],
        "labels": [mask("renamed by the user", (1, 1, 1), value=5)],
        "revises": case_id,
    }
    revised = worker.request("cases/add", correction)
    assert revised["case"]["revisions"] == 2
    assert Project.open(Path(project)).load_label(case_id).array[2, 7, 6] == 5
    other = {**correction, "volume": send(worker, draw(2))}
    assert "not the image of case" in refusal(worker, "cases/add", other)


def test_unlabeled_scan_goes_to_the_pool_and_is_labeled_later(worker: BlockingClient, project: str) -> None:
    volume = send(worker, draw(3))
    first = worker.request("cases/add", {"project": project, "volume": volume})
    assert first["case"]["state"] == "unlabeled"
    assert "already" in refusal(worker, "cases/add", {"project": project, "volume": volume})
    labels = [mask("Cord", (0, 0, 0))]
    later = worker.request("cases/add", {"project": project, "volume": volume, "labels": labels})
    assert (later["case"]["case_id"], later["case"]["state"]) == (first["case"]["case_id"], "queued")


def test_scan_that_is_labeled_already_is_asked_about_first(worker: BlockingClient, project: str) -> None:
    params = {"project": project, "volume": send(worker, draw(10))}
    first = worker.request("cases/add", {**params, "labels": [mask("Cord", (0, 0, 0))]})
    again = {**params, "labels": [mask("Cord", (2, 0, 0))]}
    answer = worker.request("cases/add", again)
    assert (answer["case"], answer["confirm"]) == (None, "revision")
    assert f"already as '{first['case']['case_id']}' (queued)" in answer["sentence"]
    revised = worker.request("cases/add", {**again, "confirmed": ["revision"]})["case"]
    assert (revised["case_id"], revised["revisions"]) == (first["case"]["case_id"], 2)


@pytest.mark.parametrize(
    ("labels", "question"),
    [
        ([{"name": "Cord"}], "empty"),
        ([mask("Cord", (0, 0, 0)), mask("Larynx", (0, 0, 0))], "overlap"),
    ],
)
def test_doubtful_label_map_is_asked_about_first(
    worker: BlockingClient, project: str, labels: list[dict[str, Any]], question: str
) -> None:
    params = {"project": project, "volume": send(worker, draw(4)), "labels": labels}
    answer = worker.request("cases/add", params)
    assert (answer["case"], answer["confirm"]) == (None, question)
    assert len(answer["sentence"]) > 20
    assert Project.open(Path(project)).cases() == []
    confirmed = worker.request("cases/add", {**params, "confirmed": [question]})
    assert confirmed["case"]["state"] == "queued"


def test_wrong_requests_are_one_sentence_and_write_nothing(worker: BlockingClient, project: str) -> None:
    volume = send(worker, draw(5))
    base = {"project": project, "volume": volume}
    outside = mask("Cord", (0, 0, 0)) | {"extent_ijk": [30, 33, 6, 8, 1, 2]}
    for labels, words in (
        ([mask("Tumor", (0, 0, 0))], "not in the project's label table"),
        ([mask("Cord", (0, 0, 0), value=5)], "drawn as 'Larynx'"),
        ([mask("Cord", (0, 0, 0)), mask("cord", (1, 0, 0))], "same label"),
        ([outside], "must fit both"),
    ):
        assert words in refusal(worker, "cases/add", {**base, "labels": labels})
    no_project = {"project": str(ROOT), "volume": volume}
    assert "not a VQSeg project" in refusal(worker, "cases/add", no_project)
    assert "no case" in refusal(worker, "cases/open", {"project": project, "case": "case-0000000000"})
    assert "not an empty folder" in refusal(worker, "projects/create", {"project": project, "labels": LABELS})
    assert "confirmed" in refusal(worker, "cases/add", {**base, "confirmed": ["all"]}, wire.INVALID_PARAMS)
    assert Project.open(Path(project)).cases() == []


def test_states_are_changed_and_listed(worker: BlockingClient, project: str) -> None:
    added = [worker.request("cases/add", {"project": project, "volume": send(worker, draw(n))}) for n in (6, 7)]
    first, second = (one["case"]["case_id"] for one in added)
    worker.request("cases/exclude", {"project": project, "cases": [first]})
    listed = worker.request("cases/list", {"project": project, "state": "excluded"})
    assert [one["case_id"] for one in listed["cases"]] == [first]
    assert listed["counts"]["unlabeled"] == 1
    worker.request("cases/include", {"project": project, "cases": [first]})
    worker.request("cases/remove", {"project": project, "cases": [second]})
    shown = worker.request("cases/show", {"project": project, "case": first})
    assert shown["case"]["split_reason"] == "In the pool of unlabeled scans."
    assert shown["record"]["state"] == "unlabeled"
    assert worker.request("projects/open", {"project": project})["counts"]["unlabeled"] == 1
    assert worker.request("projects/check", {"project": project})["problems"] == []


def test_label_table_is_changed(worker: BlockingClient, project: str) -> None:
    def change(**params: Any) -> dict[str, int]:
        answer = worker.request("projects/labels", {"project": project, **params})
        return {label["name"]: label["value"] for label in answer["labels"]}

    assert change(change="remove", value=2) == {"Larynx": 5}
    assert change(change="add", name="Tumor", color=[1, 2, 3]) == {"Larynx": 5, "Tumor": 6}
    assert change(change="rename", value=5, name="Voice box") == {"Voice box": 5, "Tumor": 6}
    assert list(change(change="reorder", values=[6, 5])) == ["Tumor", "Voice box"]
    assert "no value 9" in refusal(worker, "projects/labels", {"project": project, "change": "remove", "value": 9})


def test_folder_of_scans_is_added_in_the_background(worker: BlockingClient, project: str, tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    for seed in range(3):
        save_volume(tmp_path / "scans" / f"{seed}.nii.gz", Volume(draw(20 + seed), np.array(AFFINE)))
    (tmp_path / "scans" / "notes.nrrd").write_text("no scan")
    stages: list[str] = []
    number = worker.start("cases/add_scans", {"project": project, "paths": [str(tmp_path / "scans")]})
    answer = worker.wait(number, lambda told: stages.append(told.params["stage"]))
    assert sorted(answer["imported"]) == ["0.nii.gz", "1.nii.gz", "2.nii.gz"]
    assert list(answer["failed"]) == ["notes.nrrd"]
    assert "Scan 1 of 4" in stages


def test_scans_are_added_while_a_long_request_runs(worker: BlockingClient, project: str, tiny_model: Path) -> None:
    scan = send(worker, np.zeros((200, 64, 64), np.int16))
    long = worker.start("segment", {"volume": scan, "model": str(tiny_model), "device": "cpu"})
    added = worker.request("cases/add", {"project": project, "volume": send(worker, draw(8))})
    assert added["case"]["state"] == "unlabeled"
    assert worker.wait(long)["labels"]


def test_cancelled_addition_changes_nothing(worker: BlockingClient, project: str) -> None:
    rng = np.random.default_rng(0)
    volume = send(worker, rng.integers(-1000, 1000, (60, 256, 256), dtype=np.int16))
    number = worker.start("cases/add", {"project": project, "volume": volume})
    worker.cancel(number)
    with pytest.raises(RequestFailed) as stopped:
        worker.wait(number)
    assert stopped.value.code == wire.CANCELLED
    later = worker.request("cases/add", {"project": project, "volume": send(worker, draw(9))})
    assert [one.case_id for one in Project.open(Path(project)).cases()] == [later["case"]["case_id"]]


def test_folders_are_chosen_on_the_machine_of_the_worker(worker: BlockingClient, project: str) -> None:
    parent = worker.request("folders/list", {"path": str(Path(project).parent)})
    assert {"name": "Projekt ä", "path": project, "is_project": True} in parent["folders"]
    inside = worker.request("folders/list", {"path": project})
    assert inside["is_project"]
    assert inside["parent"] == parent["path"]
    assert [one["name"] for one in inside["folders"]] == ["cases", "models", "runs"]
    assert worker.request("folders/list", {})["path"] == str(Path.home())
    assert "cannot be read" in refusal(worker, "folders/list", {"path": str(Path(project) / "missing")})


def test_the_worker_knows_what_it_can_do(worker: BlockingClient) -> None:
    answer = worker.request("initialize", {"client": "test", "protocol": wire.PROTOCOL})
    assert {"projects/open", "cases/add", "cases/open", "folders/list"} <= set(answer["capabilities"])
    assert json.dumps(answer["capabilities"]) == json.dumps(sorted(answer["capabilities"]))
