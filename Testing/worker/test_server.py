"""Long requests: progress, cancelling, and what is answered beside them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from VQSegLib import wire
from VQSegLib.wire_client import BlockingClient, RequestFailed
from worker_process import SLEEP, send


def test_progress_comes_at_least_once_a_second_even_when_the_work_says_nothing(
    worker: BlockingClient, small: str, tiny_model: Path
) -> None:
    notes: list[tuple[float, dict[str, Any]]] = []
    began = time.monotonic()
    worker.request(
        "segment",
        {"volume": small, "model": str(tiny_model), "device": SLEEP},
        lambda note: notes.append((time.monotonic(), note.params)),
    )
    moments = [began, *(moment for moment, _ in notes), time.monotonic()]
    assert moments[-1] - moments[0] > 3.0
    assert max(np.diff(moments)) < 1.0
    fractions = [params["fraction"] for _, params in notes]
    assert fractions == sorted(fractions)
    assert {"id", "fraction", "stage", "seconds_left"} == set(notes[0][1])


def cancel(client: BlockingClient, number: int) -> float:
    """Cancel a request and return how long the answer took, seconds."""
    began = time.monotonic()
    client.cancel(number)
    with pytest.raises(RequestFailed) as failed:
        client.wait(number)
    assert failed.value.code == wire.CANCELLED
    return time.monotonic() - began


def test_cancel_is_answered_at_once_and_the_next_request_is_served(
    worker: BlockingClient, small: str, tiny_model: Path
) -> None:
    request = {"volume": small, "model": str(tiny_model)}
    number = worker.start("segment", {**request, "device": SLEEP})
    time.sleep(0.3)
    assert cancel(worker, number) < 1.0
    assert worker.request("segment", request)["labels"]
    worker.cancel(number)  # too late or unknown: nothing happens
    assert "models" in worker.request("models/list")


def test_cancel_on_a_real_sized_scan_takes_less_than_a_second(worker: BlockingClient, tiny_model: Path) -> None:
    array = np.random.default_rng(5).integers(-1000, 1000, (120, 512, 512), dtype=np.int16)
    volume = send(worker, array, slab=16)
    request = {"volume": volume, "model": str(tiny_model)}
    for delay in (0.0, 0.3, 1.0):
        number = worker.start("segment", request)
        time.sleep(delay)
        assert cancel(worker, number) < 1.0
    small = {**request, "roi": {"start_kji": [0, 0, 0], "stop_kji": [2, 64, 64]}}
    assert worker.request("segment", small)["labels"]
    worker.request("volume/close", {"volume": volume})


def test_quick_requests_are_answered_while_a_long_one_runs_and_a_second_long_one_is_not(
    worker: BlockingClient, small: str, tiny_model: Path
) -> None:
    request = {"volume": small, "model": str(tiny_model)}
    number = worker.start("segment", {**request, "device": SLEEP})
    time.sleep(0.2)
    began = time.monotonic()
    worker.request("models/list")
    worker.request("initialize", {"client": "test", "protocol": wire.PROTOCOL})
    worker.request("volume/close", {"volume": send(worker, np.zeros((3, 3, 3), "<i2"))})
    with pytest.raises(RequestFailed, match="busy") as failed:
        worker.request("segment", request)
    assert failed.value.code == wire.BUSY
    assert time.monotonic() - began < 1.0
    assert worker.wait(number)["labels"]
