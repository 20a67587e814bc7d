"""The log of a fault tells what happened and nothing of a patient."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from VQSegLib import failure_log

PRIVATE = {"number": "mrn-4711", "name": "Jane Doe", "path": "C:\\scans\\jane.dcm", "file": "jane.nrrd"}


def _fail() -> None:
    try:
        text = "cannot use {number} of '{name}' in {path} or {file}".format_map(PRIVATE)
        raise ValueError(text)
    except ValueError as cause:
        msg = "tensor sizes 3 and 4 differ"
        raise RuntimeError(msg) from cause


@pytest.fixture
def log_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Text of the log of a fault."""
    monkeypatch.setattr(failure_log, "log_folder", lambda: tmp_path / "log")
    try:
        _fail()
    except RuntimeError as error:
        path = failure_log.write_failure_log(error, "segment", ["segment", PRIVATE["number"]])
    assert path.parent == tmp_path / "log"
    return path.read_text(encoding="utf-8")


def test_log_tells_versions_places_and_causes(log_text: str) -> None:
    assert "command: segment" in log_text
    assert "torch 2" in log_text
    assert "RuntimeError: tensor sizes 3 and 4 differ" in log_text
    assert "Testing/test_failure_log.py" in log_text
    assert "ValueError: cannot use" in log_text


def test_log_holds_no_values_paths_or_names(log_text: str) -> None:
    for private in ("4711", "Jane", "jane", "scans", "MRN", str(Path.home())):
        assert private not in log_text


def test_log_goes_to_the_temporary_folder_when_there_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(failure_log, "log_folder", lambda: tmp_path / "file" / "log")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert failure_log.write_failure_log(ValueError("x"), "", []).parent == tmp_path
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "file"))
    assert failure_log.write_failure_log(ValueError("x"), "", []) == Path(os.devnull)


@pytest.mark.parametrize(
    ("platform", "expected"),
    [("win32", "local/vqseg/log"), ("darwin", "home/Library/Logs/vqseg"), ("linux", "state/vqseg/log")],
)
def test_log_folder_is_the_systems_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, expected: str
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path / "home")
    assert failure_log.log_folder() == tmp_path / expected
