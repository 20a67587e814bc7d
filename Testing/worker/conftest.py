"""A worker that is shared, and a scan it holds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from VQSegLib.wire_client import BlockingClient

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for worker_process


@pytest.fixture(scope="module")
def worker() -> Iterator[BlockingClient]:
    """Worker shared by the tests that leave it as it was."""
    from worker_process import ALTERED, start

    with start([sys.executable, "-c", ALTERED]) as client:
        yield client


@pytest.fixture(scope="module")
def small(worker: BlockingClient) -> str:
    """A small scan the shared worker holds."""
    from worker_process import send

    return send(worker, np.random.default_rng(3).integers(-1000, 1000, (6, 24, 32), dtype=np.int16))
