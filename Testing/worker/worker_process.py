"""Workers as their users have them: real processes, real messages."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from VQSegLib.wire import WireArray
from VQSegLib.wire_client import BlockingClient

ROOT = Path(__file__).resolve().parents[2]
WORKER = [sys.executable, "-m", "VQSegLib.worker"]
AFFINE = [[-1.0, 0, 0, 10], [0, -1.0, 0, 20], [0, 0, 3.0, -30], [0, 0, 0, 1]]
GEOMETRY = {"shape_kji": [3, 3, 3], "affine_ijk_to_ras": AFFINE}
ALTERED = """
import ctypes, os, sys, time
print("before the start", flush=True)
from VQSegLib.worker import run
from VQSegLib.scan_service import ScanService
plain = ScanService.segment_volume
def altered(self, *arguments, device, **options):
    if device.startswith("do: "):
        exec(device[4:])
        device = "cpu"
    return plain(self, *arguments, device=device, **options)
ScanService.segment_volume = altered
run()
"""
"""A worker that does what a test asks it to before it segments."""
SLEEP = "do: time.sleep(3)"
posix_only = pytest.mark.skipif(os.name == "nt", reason="passes file descriptors as POSIX does")


def start(command: list[str] = WORKER, **environment: str) -> BlockingClient:
    """Start a worker from the checkout."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2", "PYTHONUTF8": "1", **environment}
    return BlockingClient(command, env=env, timeout_seconds=120)


def send(client: BlockingClient, array: np.ndarray, affine: Any = AFFINE, slab: int = 4) -> str:
    """Send a scan in slabs without waiting between them; return its id."""
    geometry = {"shape_kji": array.shape, "affine_ijk_to_ras": affine}
    volume = client.request("volume/open", {"geometry": geometry, "dtype": array.dtype.str})["volume"]
    starts = range(0, len(array), slab)
    asked = [
        client.start(
            "volume/slab", {"volume": volume, "start_k": k, "array": WireArray.from_numpy(array[k : k + slab])}
        )
        for k in starts
    ]
    received = [client.wait(number)["received_slices"] for number in asked]
    assert received[-1] == len(array)
    return str(volume)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition."""
    ends = time.monotonic() + seconds
    while not condition() and time.monotonic() < ends:
        time.sleep(0.02)
    return condition()


def paste(part: dict[str, Any], whole: np.ndarray, value: int | None = None) -> np.ndarray:
    """Put a cropped array of an answer into its place; with ``value`` it is a mask of 0 and 1."""
    if part["extent_ijk"] is not None:
        i0, i1, j0, j1, k0, k1 = part["extent_ijk"]
        array = np.frombuffer(part["array"].data, part["array"].dtype).reshape(part["array"].shape)
        assert value is None or set(np.unique(array)) <= {0, 1}
        place = whole[k0 : k1 + 1, j0 : j1 + 1, i0 : i1 + 1]
        place[array > 0] = array[array > 0] if value is None else value
    return whole


def to_label_map(answer: dict[str, Any], shape_kji: tuple[int, ...]) -> np.ndarray:
    """Put the cropped masks of an answer back into a label map."""
    label_map = np.zeros(shape_kji, np.uint8)
    for label in answer["labels"]:
        paste(label, label_map, label["value"])
        assert label["voxels"] == (label_map == label["value"]).sum()
    return label_map
