"""From queued scans to a better model in use, and back, through real workers and a real run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from VQSegLib.project.folder import Project
from VQSegLib.wire import WireArray
from VQSegLib.wire_client import BlockingClient, RequestFailed

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = [
    "max_steps=40",
    "validation_interval=20",
    "log_interval=2",
    "data.workers=0",
    "device.threads=1",
    "optimizer.learning_rate=0.02",
    "method.ema_decay=0.8",
]


@pytest.fixture
def queued(project: Project, make_scan: Callable) -> Project:
    """Ten labeled patients, of whom the project holds out two."""
    for seed in range(2, 10):
        project.add_case(*make_scan(seed))
    return project


def start_worker() -> BlockingClient:
    """Start a worker as Slicer does."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    return BlockingClient([sys.executable, "-m", "VQSegLib.worker"], env=env, timeout_seconds=120)


def segment(worker: BlockingClient, scan: Any, model: Path | str) -> dict[str, int]:
    """Return the voxels of each structure that a model finds."""
    geometry = {"shape_kji": scan.shape_kji, "affine_ijk_to_ras": scan.affine_ijk_to_ras.tolist()}
    volume = worker.request("volume/open", {"geometry": geometry, "dtype": "<i2"})["volume"]
    array = WireArray.from_numpy(np.ascontiguousarray(scan.array, dtype="<i2"))
    worker.request("volume/slab", {"volume": volume, "start_k": 0, "array": array})
    answer = worker.request("segment", {"volume": volume, "model": str(model), "device": "cpu"})
    return {label["name"]: label["voxels"] for label in answer["labels"]}


def test_queued_scans_become_a_better_model_that_is_used_and_rolled_back(
    queued: Project, parent: Path, make_scan: Callable, wait_until: Callable[..., None]
) -> None:
    project, scan = {"project": str(queued.path)}, make_scan(50)[0]
    with start_worker() as first:
        first.request("initialize", {"client": "test", "protocol": 1})
        with pytest.raises(RequestFailed, match="has no model in use"):
            segment(first, scan, queued.path)
        assert "No model is in use" in first.request("runs/plan", project)["problem"]
        assert first.request("models/promote", {**project, "model": str(parent)})["is_promoted"]
        before = segment(first, scan, queued.path)
        plan = first.request("runs/plan", {**project, "settings": SETTINGS})
        assert (plan["problem"], plan["labeled"], plan["unlabeled"], plan["held_out"]) == (None, 8, 1, 2)
        started = first.request("runs/start", {**project, "preset": "quick", "settings": SETTINGS, "annotator_id": "Ö"})
        run = {**project, "run": started["run"]["run_id"]}
        wait_until(lambda: first.request("runs/show", run)["next_event"] > 2)
        with pytest.raises(RequestFailed, match="is under way"):
            first.request("runs/start", project)
    # "Slicer" is closed here, and opened again.
    with start_worker() as second:
        (found,) = second.request("runs/list", project)["runs"]
        assert found["run_id"] == run["run"]
        assert found["state"] in ("running", "finished")
        wait_until(lambda: second.request("runs/show", run)["run"]["state"] != "running")
        shown = second.request("runs/show", run)
        result = shown["run"]["result"]
        assert shown["run"]["state"] == "finished", shown["run"]["stage"]
        assert result["is_promoted"], result["sentence"]
        assert result["comparison"]["verdict"] == "not_worse"
        assert result["comparison"]["figures"]["dice"]["difference"] > 0.1
        assert {event["event"] for event in shown["events"]} == {"step", "validation"}
        after = segment(second, scan, queued.path)
        assert after == segment(second, scan, queued.models.path(result["model_id"]))
        assert after != before
        shelf = second.request("models/shelf", project)
        assert [(one["is_in_use"], one["held_out"] is not None) for one in shelf["models"]].count((True, True)) == 1
        assert "not worse by the rule" in shelf["history"][-1]["rule"]
        assert shelf["history"][-1]["decided_by"] == "Ö"
        compared = second.request(
            "models/compare", {**project, "old": shelf["history"][0]["model_id"], "new": result["model_id"]}
        )
        assert compared["comparison"] == result["comparison"]
        back = second.request("models/rollback", {**project, "reason": "test"})
        assert back["active_model"] == shelf["history"][0]["model_id"]
        assert segment(second, scan, queued.path) == before
    assert {record.state for record in queued.cases(split="train") if record.is_labeled} == {"trained"}
