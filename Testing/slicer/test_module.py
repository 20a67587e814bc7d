"""The module file as Slicer uses it: metadata, widget, file reader, self-test, reload."""

from __future__ import annotations

import sys
import unittest
from collections.abc import Iterator
from typing import Any

import pytest
import qt
import slicer


@pytest.fixture
def module_widget() -> Iterator[Any]:
    import VQSeg

    widget = VQSeg.VQSegWidget()
    widget.setup()
    yield widget
    widget.cleanup()


def test_metadata_tells_what_the_module_is() -> None:
    import VQSeg
    from slicer_harness.scripted_module import ModuleParent

    parent = VQSeg.VQSeg(ModuleParent(VQSeg.__file__)).parent

    assert parent.title == "VQSeg"
    assert parent.categories == ["Segmentation"]
    assert "not a medical device" in parent.helpText
    assert not parent.icon.isNull()


def test_drawing_the_panel_starts_nothing(module_widget: Any) -> None:
    import VQSeg

    assert module_widget.panel.logic.engine.state == "stopped"
    assert module_widget.panel.logic.engine.processID() == 0
    assert VQSeg.VQSegLogic().engine is module_widget.panel.logic.engine


def test_without_an_engine_the_panel_says_what_to_do(module_widget: Any) -> None:
    module_widget.enter()

    status = module_widget.panel.sections[1].widget.findChild(qt.QObject, "statusLabel")
    assert status.text == "No engine is set up yet; install it, or give the command that starts one."


def test_a_dropped_model_file_opens_the_module(module_widget: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import VQSeg

    chosen: list[str] = []
    added: list[str] = []
    monkeypatch.setattr(slicer.util, "selectModule", chosen.append)
    monkeypatch.setattr(slicer.util, "getModuleWidget", lambda _name: module_widget)
    monkeypatch.setattr(module_widget.panel, "addModelFile", added.append)
    reader = VQSeg.VQSegFileReader(type("Parent", (), {})())

    assert reader.canLoadFile("/data/Größe.SafeTensors")
    assert not reader.canLoadFile("/data/ct.nii.gz")
    assert reader.extensions() == ["VQSeg model (*.safetensors)"]
    assert reader.load({"fileName": "/data/neck.safetensors"})

    assert (chosen, added) == (["VQSeg"], ["/data/neck.safetensors"])
    assert reader.parent.loadedNodes == []


def test_the_self_test_passes_and_leaves_the_scene_alone(make_volume: Any) -> None:
    import VQSeg

    work = make_volume()
    volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    result = unittest.TestResult()
    VQSeg.VQSegTest("runTest").run(result)

    assert result.wasSuccessful(), result.failures + result.errors
    assert work in volumes
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == volumes
    assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == []


def test_reloading_the_module_keeps_the_choices(panel: Any, make_volume: Any) -> None:
    opened, volume = panel(), make_volume()
    opened.open(volume)

    opened.widget.cleanup()

    assert opened.parameters.inputVolumeID == volume.GetID()


def test_reload_forgets_every_part_of_the_module(module_widget: Any) -> None:
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in ("VQSegUI", "VQSegLib")}
    assert "VQSegUI.SegmentSection" in before

    module_widget.onReload()

    assert not [name for name in sys.modules if name.partition(".")[0] in ("VQSegUI", "VQSegLib")]
    sys.modules.update(before)


def test_the_demo_scan_is_offered_as_sample_data(monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib
    from pathlib import Path
    from types import ModuleType
    from urllib.request import url2pathname

    import VQSeg
    from slicer_harness.scripted_module import ModuleParent

    offered: list[dict[str, str]] = []
    logic = type(
        "SampleDataLogic", (), {"registerCustomSampleDataSource": staticmethod(lambda **it: offered.append(it))}
    )
    module = ModuleType("SampleData")
    module.SampleDataLogic = logic
    monkeypatch.setitem(sys.modules, "SampleData", module)
    VQSeg.VQSeg(ModuleParent(VQSeg.__file__))

    slicer.app.startupCompleted.emit()

    scan = Path(url2pathname(offered[-1]["uris"].removeprefix("file://")))
    assert offered[-1]["checksums"] == "SHA256:" + hashlib.sha256(scan.read_bytes()).hexdigest()
    assert offered[-1]["loadFileTypes"] == "VolumeFile"


def test_the_documented_example_runs(make_engine: Any, make_volume: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import textwrap

    import VQSeg
    from VQSegUI import Logic

    monkeypatch.setitem(Logic._shared, "engine", make_engine())
    make_volume(name="CT")
    lines = Logic.VQSegLogic.__doc__.partition("::")[2].splitlines()
    example = (
        textwrap.dedent("\n".join(lines)).replace("vqseg-openkbp-headneck", "fake").replace("print(", "shown.append(")
    )
    shown: list[int] = []

    exec(example, {"slicer": slicer, "shown": shown})

    assert "from VQSeg import VQSegLogic" in example
    assert VQSeg.VQSegLogic is Logic.VQSegLogic
    assert shown == [2]


def test_the_example_of_the_readme_runs(
    make_engine: Any, make_volume: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    from pathlib import Path

    from VQSegUI import Logic

    monkeypatch.setitem(Logic._shared, "engine", make_engine())
    make_volume(name="CT")
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    example = next(part for part in readme.split("```python\n")[1:] if "VQSegLogic" in part).partition("```")[0]
    for old, new in (("vqseg-openkbp-headneck", "fake"), ("/data/labeled", str(tmp_path)), ("[40, 41]", "[4, 5]")):
        assert old in example
        example = example.replace(old, new)
    made: dict[str, Any] = {"slicer": slicer}

    exec(example, made)

    assert (Path(made["folder"]) / "label.nii.gz").is_file()
    assert made["overlay"].GetName() == "CT uncertainty"
