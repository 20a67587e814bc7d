"""Scans on their way to the worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from VQSegLib.wire import WireArray
from VQSegLib.wire_client import BlockingClient, RequestFailed
from worker_process import AFFINE, GEOMETRY, send


@pytest.mark.parametrize(
    ("slab", "start_k"),
    [
        (np.zeros((2, 3, 3), "i2"), 2),
        (np.zeros((1, 2, 3), "i2"), 0),
        (np.zeros((3, 3), "i2"), 0),
        (np.zeros((1, 3, 3)), 0),
    ],
)
def test_a_slab_that_does_not_fit_is_refused(worker: BlockingClient, slab: np.ndarray, start_k: int) -> None:
    volume = worker.request("volume/open", {"geometry": GEOMETRY, "dtype": "<i2"})["volume"]
    array = WireArray.from_numpy(slab)
    with pytest.raises(RequestFailed, match="does not fit"):
        worker.request("volume/slab", {"volume": volume, "start_k": start_k, "array": array})


@pytest.mark.parametrize(
    ("array", "affine", "words"),
    [
        (np.zeros((2, 9, 9), "i2"), AFFINE, "at least 3 slices"),
        (np.full((3, 9, 9), np.nan, "f4"), AFFINE, "not finite"),
        (np.zeros((3, 9, 9), "i2"), [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], "perpendicular"),
    ],
)
def test_what_is_no_scan_is_refused(
    worker: BlockingClient, tiny_model: Path, array: np.ndarray, affine: Any, words: str
) -> None:
    volume = send(worker, array, affine)
    with pytest.raises(RequestFailed, match=words):
        worker.request("segment", {"volume": volume, "model": str(tiny_model)})


def test_a_scan_with_missing_slices_is_refused(worker: BlockingClient, tiny_model: Path) -> None:
    volume = worker.request("volume/open", {"geometry": GEOMETRY, "dtype": "<i2"})["volume"]
    with pytest.raises(RequestFailed, match="Only 0 of 3 slices"):
        worker.request("segment", {"volume": volume, "model": str(tiny_model)})


def test_segment_may_be_asked_before_the_slabs_are_answered(worker: BlockingClient, tiny_model: Path) -> None:
    volume = worker.request("volume/open", {"geometry": GEOMETRY, "dtype": "<i2"})["volume"]
    for k in range(3):
        array = WireArray.from_numpy(np.zeros((1, 3, 3), "<i2"))
        worker.start("volume/slab", {"volume": volume, "start_k": k, "array": array})
    assert worker.request("segment", {"volume": volume, "model": str(tiny_model)})["seconds"] > 0
