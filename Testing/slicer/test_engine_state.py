"""The one line about the engine, for every state its folder can be in."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tiny_engine import make_tiny_engine
from VQSegUI import EngineState
from VQSegUI.EngineCatalog import EngineCatalog, thisPlatform
from VQSegUI.EngineLayout import EngineLayout, EngineRecord, RecordUnreadable, runningPython
from VQSegUI.EngineLock import EngineLock, isLocked


@pytest.fixture
def catalog(tmp_path: Path) -> EngineCatalog:
    """Catalog of the tiny engine."""
    return EngineCatalog(make_tiny_engine(tmp_path / "offline", thisPlatform(), runningPython()).catalog)


@pytest.fixture
def layout(tmp_path: Path) -> EngineLayout:
    """A private folder that does not exist yet."""
    return EngineLayout(tmp_path / "private")


def _install(layout: EngineLayout, catalog: EngineCatalog, **changes: object) -> EngineRecord:
    folder = layout.makePackageFolder()
    (folder / "torch-1.0.dist-info").mkdir(parents=True)
    (folder / "torch-1.0.dist-info" / "RECORD").write_text("")
    fingerprint = catalog.find("cpu").fingerprint
    record = EngineRecord(
        folder.name, "cpu", "3.12", fingerprint, "1.0+cpu", "", 1_400_000_000, ["torch-1.0.dist-info"]
    )
    record = dataclasses.replace(record, **changes)
    layout.writeRecord(record)
    return record


def test_nothing_there_is_not_installed_and_looking_creates_nothing(
    layout: EngineLayout, catalog: EngineCatalog
) -> None:
    assert EngineState.readState(layout, catalog).kind == EngineState.NOT_INSTALLED
    assert not layout.root.exists()


def test_complete_folder_is_ready(layout: EngineLayout, catalog: EngineCatalog) -> None:
    record = _install(layout, catalog)
    state = EngineState.readState(layout, catalog)
    assert state.kind == EngineState.READY
    assert state.packages == layout.root / record.folder
    assert state.sentence == "Ready: CPU, torch 1.0+cpu, 1.4 GB."


def test_device_seen_by_the_check_is_named(layout: EngineLayout, catalog: EngineCatalog) -> None:
    _install(layout, catalog, device="NVIDIA RTX 4090")
    assert "NVIDIA RTX 4090" in EngineState.readState(layout, catalog).sentence


def test_folder_without_record_is_broken(layout: EngineLayout, catalog: EngineCatalog) -> None:
    layout.makePackageFolder().mkdir(parents=True)
    state = EngineState.readState(layout, catalog)
    assert state.kind == EngineState.BROKEN
    assert "Repair" in state.sentence


def test_leftover_beside_a_good_engine_does_no_harm(layout: EngineLayout, catalog: EngineCatalog) -> None:
    _install(layout, catalog)
    layout.makePackageFolder().mkdir()
    assert EngineState.readState(layout, catalog).kind == EngineState.READY


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"folder": 3}', '{"folder": "../../home", "build": "cpu", "python": "3", "fingerprint": ""}'],
)
def test_damaged_record_is_broken(layout: EngineLayout, catalog: EngineCatalog, text: str) -> None:
    layout.root.mkdir()
    layout.recordFile.write_text(text)
    with pytest.raises(RecordUnreadable):
        layout.readRecord()
    assert EngineState.readState(layout, catalog).kind == EngineState.BROKEN


def test_record_of_a_later_format_is_refused(layout: EngineLayout, catalog: EngineCatalog) -> None:
    _install(layout, catalog, format=99)
    with pytest.raises(RecordUnreadable, match="format 99"):
        layout.readRecord()


def test_lost_packages_are_counted(layout: EngineLayout, catalog: EngineCatalog) -> None:
    record = _install(layout, catalog)
    (layout.root / record.folder / "torch-1.0.dist-info" / "RECORD").unlink()
    state = EngineState.readState(layout, catalog)
    assert state.kind == EngineState.BROKEN
    assert "1 packages are missing" in state.sentence


def test_engine_of_other_pins_is_outdated(layout: EngineLayout, catalog: EngineCatalog) -> None:
    _install(layout, catalog)
    requirements = catalog.folder / "requirements.txt"
    requirements.write_text(requirements.read_text() + "# another version\n")
    state = EngineState.readState(layout, EngineCatalog(catalog.folder))
    assert state.kind == EngineState.OUTDATED
    assert "Update" in state.sentence


def test_line_ends_of_a_windows_checkout_change_nothing(layout: EngineLayout, catalog: EngineCatalog) -> None:
    _install(layout, catalog)
    requirements = catalog.folder / "requirements.txt"
    requirements.write_bytes(requirements.read_bytes().replace(b"\n", b"\r\n"))
    assert EngineState.readState(layout, EngineCatalog(catalog.folder)).kind == EngineState.READY


def test_build_no_longer_offered_is_outdated(layout: EngineLayout, catalog: EngineCatalog) -> None:
    _install(layout, catalog, build="cuda")
    assert EngineState.readState(layout, catalog).kind == EngineState.OUTDATED


def test_computer_without_a_build_is_unavailable(layout: EngineLayout, catalog: EngineCatalog) -> None:
    state = EngineState.readState(layout, EngineCatalog(catalog.folder, platformTag="macos-x86_64"))
    assert state.kind == EngineState.UNAVAILABLE
    assert "Advanced" in state.sentence


def test_lock_held_by_another_window_is_seen(layout: EngineLayout, catalog: EngineCatalog) -> None:
    lock = EngineLock(layout.lockFile)
    assert lock.acquire()
    assert not EngineLock(layout.lockFile).acquire()
    assert EngineState.readState(layout, catalog).kind == EngineState.BUSY
    lock.release()
    assert not isLocked(layout.lockFile)


def test_only_our_own_folders_are_ever_leftovers(layout: EngineLayout) -> None:
    for name in ("e12345", "e1234567", "x123456", "e12345g", "everest", "e1a2b3c"):
        (layout.root / name).mkdir(parents=True)
    assert [path.name for path in layout.leftovers(None)] == ["e1a2b3c"]
