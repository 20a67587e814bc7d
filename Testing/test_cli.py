"""The command line as a whole: help, version, mistakes, faults and Ctrl-C."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from VQSegLib import __version__
from VQSegLib.errors import Cancelled
from VQSegLib.service import Service


def test_version_is_printed(run_process) -> None:
    result = run_process("--version")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"vqseg {__version__}\n", "")


@pytest.mark.parametrize("arguments", [(), ("--help",), ("segment", "--help"), ("models", "import", "--help")])
def test_help_goes_to_stdout(run_cli, arguments: tuple[str, ...]) -> None:
    result = run_cli(*arguments)
    assert result.returncode == 0
    assert "Usage: vqseg" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--bogus",), "--bogus"),
        (("frobnicate",), "frobnicate"),
        (("segment",), "image"),
        (("segment", "scan.nii.gz"), "--model"),
        (("segment", "scan.nii.gz", "more", "--model", "m", "--output", "o"), "more"),
        (("models",), "models --help"),
        (("evaluate", "--prediction", "a", "--reference", "b", "--unit", "km"), "km"),
        (("evaluate", "--prediction", "a", "--reference", "b", "--tolerance", "-1"), "--tolerance"),
    ],
)
def test_wrong_usage_is_one_sentence(run_cli, assert_mistake, arguments: tuple[str, ...], words: str) -> None:
    result = run_cli(*arguments)
    assert_mistake(result, words, "--help")


def _fail_with(error: BaseException):
    def fail(*_args: object, **_kwargs: object) -> None:
        raise error

    return fail


def test_fault_of_ours_names_a_log_without_patient_data(
    run_cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    monkeypatch.setattr(Service, "segment", _fail_with(RuntimeError("bad shape in /data/Jane Doe/scan.nii.gz")))
    result = run_cli("segment", "/data/Jane Doe/scan.nii.gz", "--model", "m", "--output", "Jane.nii.gz")
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    log = Path(re.search(r"'(.*)'", result.stderr)[1])
    assert tmp_path in log.parents
    text = log.read_text(encoding="utf-8")
    assert "RuntimeError: bad shape" in text
    assert "command: segment" in text
    for private in ("Jane", "Doe", "scan.nii"):
        assert private not in text


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Cancelled("Stopped as asked.")])
def test_interrupted_command_ends_with_130(run_cli, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    monkeypatch.setattr(Service, "list_models", _fail_with(error))
    result = run_cli("models", "list")
    assert result.returncode == 130
    assert len(result.stderr.splitlines()) == 1
    assert "Stopped" in result.stderr
