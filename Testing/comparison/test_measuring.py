"""Time and memory."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from VQSegLib.comparison.measuring import PeakMemory, seconds_per_step


@pytest.mark.skipif(torch.cuda.is_available(), reason="measures CUDA memory there")
def test_the_peak_is_seen_although_it_is_over() -> None:
    with PeakMemory() as memory:
        block = np.ones(25_000_000)
        time.sleep(0.3)
        del block
        time.sleep(0.1)
    assert 150 < memory.megabytes < 400


@pytest.mark.skipif(torch.cuda.is_available() or sys.platform != "linux", reason="glibc only")
def test_a_second_run_needs_as_much_as_the_first() -> None:
    layer, found = torch.nn.Conv2d(8, 32, 3), []
    for _ in range(3):
        with PeakMemory() as memory:
            for _ in range(4):
                layer(torch.zeros(8, 8, 96, 96)).square().sum().backward()
        found.append(memory.megabytes)
    assert min(found[1:]) > 0.3 * max(found)


def test_seconds_are_the_median_of_the_logged_ones(tmp_path: Path) -> None:
    assert seconds_per_step(tmp_path) == 0
    events = [{"event": "step", "step": n, "seconds_per_step": value} for n, value in ((1, 9.0), (2, 1.0), (3, 2.0))]
    events.append({"event": "validation", "step": 3, "seconds": 50})
    (tmp_path / "events.jsonl").write_text("\n".join(map(json.dumps, events)), encoding="utf-8")
    assert seconds_per_step(tmp_path) == 2.0
