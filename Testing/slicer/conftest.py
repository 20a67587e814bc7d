"""A small Slicer for the tests of the module; they are skipped where slicer-core or PySide6 is not installed."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
AVAILABLE = all(importlib.util.find_spec(name) for name in ("slicer", "PySide6"))
collect_ignore_glob = ["slicer_harness/*"] if AVAILABLE else ["*"]

if AVAILABLE:
    for folder in (HERE, ROOT, ROOT / "VQSeg"):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    from slicer_harness import install

    install()


@pytest.fixture(autouse=True)
def clean_slicer(tmp_path: Path) -> Iterator[None]:
    """Give every test an empty scene and settings of its own."""
    import qt
    import slicer

    qt.QSettings.setPath(qt.QSettings.Format.IniFormat, qt.QSettings.Scope.UserScope, str(tmp_path))
    qt.QSettings().clear()
    yield
    slicer.app.applicationLogic().GetSelectionNode().SetActiveVolumeID(None)
    slicer.mrmlScene.Clear(0)
    slicer.app.processEvents()


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """Let Slicer's event loop run until something is true."""
    import slicer

    def wait(condition: Callable[[], Any], seconds: float = 20.0) -> None:
        ends = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < ends, "waited in vain"
            slicer.app.processEvents()
            time.sleep(0.002)

    return wait


@pytest.fixture
def make_volume() -> Callable[..., Any]:
    """Make a volume node in the scene."""
    import slicer

    def make(
        array: np.ndarray | None = None, name: str = "Doe^Jane CT", class_name: str = "vtkMRMLScalarVolumeNode"
    ) -> Any:
        node = slicer.mrmlScene.AddNewNodeByClass(class_name, name)
        slicer.util.updateVolumeFromArray(node, make_scan() if array is None else array)
        node.SetSpacing(1.5, 2.0, 3.0)
        node.SetOrigin(10.0, -20.0, 30.0)
        return node

    return make


def make_scan() -> np.ndarray:
    """Return 12 x 20 x 30 voxels with something dense and something airy in them."""
    array = np.zeros((12, 20, 30), np.int16)
    array[3:7, 5:10, 4:12] = 1000
    array[8:10, 12:18, 20:28] = -900
    return array


@pytest.fixture
def make_engine() -> Iterator[Callable[..., Any]]:
    """Make an engine around the fake worker, a real process; it ends with the test."""
    from VQSegUI.Engine import Engine
    from VQSegUI.EngineCommand import EngineCommand

    engines = []

    class Source:
        def __init__(self, *options: str, **environment: str) -> None:
            self.options, self.environment = options, environment

        def command(self) -> EngineCommand:
            return EngineCommand((sys.executable, str(HERE / "fake_worker.py"), *self.options), self.environment)

    def make(*options: str, **environment: str) -> Engine:
        engine = Engine(Source(*options, **environment))
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        engine.stopNow()
