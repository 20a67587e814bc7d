"""A small Slicer for the tests of the module; they are skipped where slicer-core or PySide6 does not work."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent


def find_obstacle() -> str:
    """Return why these tests cannot run here; empty: they can."""
    try:
        importlib.import_module("slicer")
        importlib.import_module("PySide6.QtWidgets")
    except ImportError as problem:
        return f"slicer-core or PySide6 cannot be used: {problem}"
    return ""


OBSTACLE = find_obstacle()
collect_ignore_glob = ["slicer_harness/*", *(["test_[!a]*.py"] if OBSTACLE else [])]

if not OBSTACLE:
    for folder in (HERE, ROOT, ROOT / "VQSeg"):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    from slicer_harness import install

    install()


@pytest.fixture(autouse=True)
def clean_slicer(tmp_path: Path) -> Iterator[None]:
    """Give every test an empty scene and settings of its own."""
    if OBSTACLE:
        yield
        return
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


@pytest.fixture(scope="module")
def real_engine() -> Iterator[Any]:
    """An engine around the real worker of this checkout, warm for all tests of a file, as a person has it."""
    from VQSegUI.Engine import Engine
    from VQSegUI.EngineCommand import EngineCommand

    class Source:
        def command(self) -> EngineCommand:
            environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
            return EngineCommand((sys.executable, "-m", "VQSegLib.worker"), environment)

    engine = Engine(Source())
    yield engine
    engine.stopNow()


class Panel:
    """The module panel as a person sees it: widgets by their name in the .ui files."""

    def __init__(self, engine: Any, wait_until: Callable[..., None]) -> None:
        import qt

        from VQSegUI.Logic import VQSegLogic
        from VQSegUI.Widget import Widget

        self.window = qt.QWidget()
        self.engine, self._wait_until = engine, wait_until
        self.widget = Widget(qt.QVBoxLayout(self.window), VQSegLogic(engine=engine))
        self.window.resize(480, 900)
        self.window.show()

    def __getattr__(self, name: str) -> Any:
        import qt

        found = self.window.findChild(qt.QObject, name)
        assert found is not None, f"the panel has no '{name}'"
        return found

    @property
    def parameters(self) -> Any:
        """What the scene would save."""
        import slicer

        from VQSegUI.Parameters import parameterNode, readParameters

        return readParameters(parameterNode(slicer.mrmlScene))

    def open(self, volume_node: Any) -> None:
        """Show a scan, open the module and wait until Segment can be clicked."""
        import slicer

        slicer.app.applicationLogic().GetSelectionNode().SetActiveVolumeID(volume_node.GetID())
        slicer.util.setSliceViewerLayers(background=volume_node, foreground=None)
        self.widget.enter()
        self._wait_until(lambda: self.segmentButton.enabled)

    def segment(self) -> Any:
        """Click Segment, wait for the end and return the proposal node, None when there is none."""
        import slicer

        self.segmentButton.click()
        self.wait_for_end()
        node_id = self.parameters.proposalNodeID
        return slicer.mrmlScene.GetNodeByID(node_id) if node_id else None

    def wait_for_end(self) -> None:
        """Wait until nothing is being segmented."""
        self._wait_until(lambda: self.segmentButton.text == "Segment")

    def decide(self, button: str) -> None:
        """Click a button of the proposal section and wait until that is done."""
        getattr(self, button).click()
        self._wait_until(lambda: self.undoButton.enabled)


@pytest.fixture
def panel(make_engine: Callable[..., Any], make_panel: Callable[..., Panel]) -> Callable[..., Panel]:
    """Make a panel around a fake worker with options."""
    return lambda *options, **environment: make_panel(make_engine(*options, **environment))


@pytest.fixture
def make_panel(wait_until: Callable[..., None]) -> Iterator[Callable[..., Panel]]:
    """Make a panel around an engine; both end with the test."""
    panels = []

    def make(engine: Any) -> Panel:
        panels.append(Panel(engine, wait_until))
        return panels[-1]

    yield make
    for each in panels:
        each.widget.cleanup()


@pytest.fixture
def voxels() -> Callable[..., np.ndarray]:
    """Read a segment as ``(K, J, I)`` booleans in the geometry of a volume, through Slicer's own function."""
    import slicer

    def read(segmentation_node: Any, name: str, volume_node: Any) -> np.ndarray:
        segment_id = segmentation_node.GetSegmentation().GetSegmentIdBySegmentName(name)
        return slicer.util.arrayFromSegmentBinaryLabelmap(segmentation_node, segment_id, volume_node).astype(bool)

    return read


@pytest.fixture
def edit() -> Callable[..., None]:
    """Paint or erase as the Segment Editor does, through Slicer's own editor logic (5.10 and later)."""
    import slicer

    def modify(segmentation_node: Any, segment_id: str, volume_node: Any, box: Any, erase: bool = False) -> None:
        editor = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
        editor.SetOverwriteMode(editor.OverwriteNone)
        logic = slicer.vtkSlicerSegmentEditorLogic()
        logic.SetMRMLScene(slicer.mrmlScene)
        logic.SetSegmentEditorNode(editor)
        logic.SetSegmentationNode(segmentation_node)
        logic.SetSourceVolumeNode(volume_node)
        logic.SetCurrentSegmentID(segment_id)
        logic.ResetModifierLabelmapToDefault()
        modifier = logic.GetModifierLabelmap()
        for k, j, i in np.argwhere(box).tolist():
            modifier.SetScalarComponentFromDouble(i, j, k, 0, 1)
        mode = logic.ModificationModeRemove if erase else logic.ModificationModeAdd
        logic.ModifySegmentByLabelmap(segmentation_node, segment_id, modifier, mode, False, True)
        slicer.mrmlScene.RemoveNode(editor)

    return modify


class Heartbeat:
    """Beats as often as the event loop lets it, and remembers the longest pause and what was on the panel then."""

    def __init__(self, describe: Any) -> None:
        self.pauses: list[tuple[float, float, str]] = []
        self._describe, self._last = describe, (time.thread_time(), time.perf_counter())
        import qt

        self._timer = qt.QTimer()
        self._timer.setInterval(1)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def _beat(self) -> None:
        now = (time.thread_time(), time.perf_counter())
        self.pauses.append((now[0] - self._last[0], now[1] - self._last[1], self._describe()))
        self._last = now

    def longest(self) -> tuple[float, float, str]:
        """Return the longest pause: processor seconds, seconds on the clock, and what the panel said at its end."""
        return max(self.pauses)


@pytest.fixture
def heartbeat() -> Callable[..., Heartbeat]:
    """Start a heartbeat."""
    return Heartbeat
