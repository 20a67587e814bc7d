"""What is asked and answered, and how the worker refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from VQSegLib import wire
from VQSegLib.wire import Request
from VQSegLib.wire_client import BlockingClient, RequestFailed
from worker_process import GEOMETRY, SLEEP, wait_until


def test_it_introduces_itself(worker: BlockingClient) -> None:
    import platform

    hello = worker.request("initialize", {"client": "test", "protocol": wire.PROTOCOL})
    assert hello["protocol"] == wire.PROTOCOL
    assert hello["host"] == platform.node()
    assert {"initialize", "models/list", "segment", "volume/slab", "shutdown"} <= set(hello["capabilities"])
    assert "not a medical device" in hello["research_use"]
    devices = hello["device"]["available"]
    assert hello["device"]["default"] == devices[0]["id"]
    assert devices[-1]["id"] == "cpu"
    assert all(device["memory_bytes"] > 1e8 and device["name"] for device in devices)


def test_models_are_listed_with_labels_and_problems(worker: BlockingClient, tiny_model: Path) -> None:
    broken = tiny_model.parent / "broken.safetensors"
    broken.write_bytes(b"nothing")
    try:
        models = {
            m["path_name"]: m for m in worker.request("models/list", {"folder": str(tiny_model.parent)})["models"]
        }
    finally:
        broken.unlink()
    tiny = models["tiny.safetensors"]
    assert (tiny["id"], tiny["name"], tiny["problem"]) == (str(tiny_model), "tiny", None)
    assert [(label["value"], label["name"]) for label in tiny["labels"]] == [(2, "Cord"), (5, "Larynx")]
    assert "broken.safetensors" in models["broken.safetensors"]["problem"]
    assert worker.request("models/show", {"model": tiny["id"]})["card"]["name"] == "tiny"
    assert isinstance(worker.request("models/list")["models"], list)


@pytest.mark.parametrize(
    ("method", "params", "code", "words"),
    [
        ("nonsense", {}, wire.UNKNOWN_METHOD, "known are cases/add"),
        ("initialize", {"client": "old", "protocol": 99}, wire.USER_ERROR, "speaks protocol 1"),
        ("initialize", {}, wire.INVALID_PARAMS, "'client'"),
        ("models/show", {"model": "nix"}, wire.USER_ERROR, "no model 'nix'"),
        ("models/show", {"model": "nix", "more": 1}, wire.INVALID_PARAMS, "'more'"),
        ("models/list", {"folder": "/no/such/folder"}, wire.USER_ERROR, "no folder"),
        (
            "volume/open",
            {"geometry": {**GEOMETRY, "shape_kji": [0, 3, 3]}, "dtype": "<i2"},
            wire.INVALID_PARAMS,
            "shape",
        ),
        ("volume/open", {"geometry": GEOMETRY, "dtype": "<c8"}, wire.INVALID_PARAMS, "'dtype'"),
        (
            "volume/open",
            {"geometry": {**GEOMETRY, "shape_kji": [10**6] * 3}, "dtype": "<i2"},
            wire.USER_ERROR,
            "memory",
        ),
        (
            "volume/open",
            {"geometry": {**GEOMETRY, "affine_ijk_to_ras": [[0.0] * 4] * 4}, "dtype": "<i2"},
            wire.USER_ERROR,
            "invertible",
        ),
        ("volume/slab", {"volume": "v", "start_k": 0, "array": 3}, wire.INVALID_PARAMS, "'array'"),
        ("volume/close", {"volume": "v"}, wire.USER_ERROR, "no scan 'v'"),
        ("segment", {"volume": "v", "model": "m"}, wire.USER_ERROR, "no scan 'v'"),
        ("segment", {"volume": "v"}, wire.INVALID_PARAMS, "'model'"),
    ],
)
def test_a_wrong_request_is_one_sentence(
    worker: BlockingClient, method: str, params: dict[str, Any], code: int, words: str
) -> None:
    with pytest.raises(RequestFailed, match=words) as failed:
        worker.request(method, params)
    assert failed.value.code == code
    assert "\n" not in str(failed.value)


def test_the_same_id_twice_is_refused(worker: BlockingClient, small: str, tiny_model: Path) -> None:
    number = worker.start("segment", {"volume": small, "model": str(tiny_model), "device": SLEEP})
    worker.send(Request(number, "models/list"))
    with pytest.raises(RequestFailed, match="use another id"):
        worker.wait(number)
    assert worker.wait(number)["labels"]


def test_a_fault_of_ours_is_told_without_patient_data_and_the_worker_goes_on(
    worker: BlockingClient, small: str, tiny_model: Path
) -> None:
    fault = 'do: raise RuntimeError("bad shape in /data/Jane Doe/scan.nii.gz")'
    with pytest.raises(RequestFailed, match="fault of its own") as failed:
        worker.request("segment", {"volume": small, "model": str(tiny_model), "device": fault})
    assert failed.value.code == wire.FAULT
    assert "RuntimeError: bad shape" in failed.value.detail
    assert "models" in worker.request("models/list")
    assert wait_until(lambda: "RuntimeError: bad shape" in worker.log, 2.0)
    for text in (failed.value.detail, worker.log):
        assert "Jane" not in text
        assert "Doe" not in text


@pytest.mark.parametrize(
    ("error", "words"),
    [("MemoryError()", "Memory is not enough"), ("ImportError('gone', name='torch')", "'torch' is missing")],
)
def test_what_the_machine_lacks_is_one_sentence(
    worker: BlockingClient, small: str, tiny_model: Path, error: str, words: str
) -> None:
    with pytest.raises(RequestFailed, match=words) as failed:
        worker.request("segment", {"volume": small, "model": str(tiny_model), "device": f"do: raise {error}"})
    assert failed.value.code == wire.USER_ERROR
