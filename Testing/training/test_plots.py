"""Curves of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from VQSegLib.training.events import EventLog
from VQSegLib.training.plots import save_curves

pytest.importorskip("matplotlib", reason="the extra 'train' is not installed")


def test_curves_are_drawn_from_the_events(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    empty = save_curves(tmp_path).read_bytes()
    for step in (1, 2, 3):
        log.write("step", step, {"loss/supervised": 1 / step, "vq/active_codes": 0.5})
    log.write("validation", 3, {"dice": 0.5, "dice_per_label": {"Cord": 0.5, "Larynx": None}})
    path = save_curves(tmp_path)
    assert path == tmp_path / "curves.png"
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.read_bytes() != empty


def test_without_matplotlib_a_run_goes_on_without_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert not save_curves(tmp_path).exists()
