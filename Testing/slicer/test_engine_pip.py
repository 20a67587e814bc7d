"""pip's command lines, environment, progress, and its failures as sentences."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from tiny_engine import make_tiny_engine
from VQSegUI import EngineMessages, EngineWork
from VQSegUI.EngineCatalog import EngineCatalog, formatBytes, thisPlatform
from VQSegUI.EngineLayout import EngineLayout, runningPython
from VQSegUI.EnginePip import explainPipFailure, pipCommand, pipEnvironment, pipSteps
from VQSegUI.EngineProgress import InstallProgress
from VQSegUI.Problem import Problem

LINUX = EngineCatalog(platformTag="linux-x86_64", python="3.12")
LAYOUT = EngineLayout(Path("/private/VQSeg/312"))


def test_torch_comes_from_its_index_and_everything_else_with_hashes() -> None:
    torch, rest = pipSteps(LINUX.find("cpu"), None)
    assert torch == ["--index-url", "https://download.pytorch.org/whl/cpu", "torch==2.13.0+cpu"]
    assert rest[0] == "--require-hashes"
    assert "requirements-linux-x86_64.txt" in rest[-1]


def test_nvidia_libraries_come_in_one_run_with_the_rest() -> None:
    (only,) = pipSteps(LINUX.find("cuda"), None)
    assert only.count("--requirement") == 2


def test_mirror_stands_in_for_pytorchs_index() -> None:
    torch = pipSteps(LINUX.find("cpu"), None, "https://mirror.hospital.org/torch")[0]
    assert "https://mirror.hospital.org/torch" in torch


def test_offline_never_names_an_index() -> None:
    for step in pipSteps(LINUX.find("cpu"), Path("/usb stick")):
        assert "--no-index" in step
        assert step[step.index("--find-links") + 1] == str(Path("/usb stick"))
        assert "--index-url" not in step


@pytest.mark.parametrize(
    ("version", "bar"), [("23.2.1", "off"), ("24.0", "off"), ("24.1", "raw"), ("26.3", "raw"), ("0", "off")]
)
def test_progress_bar_fits_the_version_of_pip(version: str, bar: str) -> None:
    command = pipCommand("python", ["install", "x"], LAYOUT, version)
    assert command[command.index("--progress-bar") + 1] == bar
    assert "--no-deps" in command


def test_environment_keeps_the_sites_network_and_drops_what_leads_elsewhere() -> None:
    base = {
        "PIP_PROXY": "http://proxy:3128",
        "PIP_TARGET": "/wrong",
        "PIP_CONSTRAINT": "/wrong",
        "HTTPS_PROXY": "http://p",
        "PIP_FIND_LINKS": "/w",
    }
    online = pipEnvironment(base, LAYOUT, isOffline=False)
    assert online["PIP_PROXY"] == "http://proxy:3128"
    assert online["HTTPS_PROXY"] == "http://p"
    assert online["PIP_USER"] == "0"
    assert "PIP_TARGET" not in online
    assert "PIP_CONSTRAINT" not in online
    assert online["TMPDIR"] == str(LAYOUT.temporaryFolder)
    offline = pipEnvironment(base, LAYOUT, isOffline=True)
    assert offline["PIP_CONFIG_FILE"] == os.devnull
    assert "PIP_FIND_LINKS" not in offline


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            ["disk is full", "2.0 GB"],
        ),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
            ["checksum", "nothing was installed"],
        ),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]'))", ["certificate", "offline"]),
        ("WARNING: Retrying after connection broken by 'ProxyError('Cannot connect to proxy.')'", ["proxy refused"]),
        (
            "NewConnectionError(': Failed to establish a new connection')",
            ["could not be downloaded", "the package index"],
        ),
        (
            "HTTPSConnectionPool(host='download.pytorch.org', port=443): Max retries exceeded\n"
            "ERROR: No matching distribution found for torch==2.13.0+cpu",
            ["from download.pytorch.org", "check the network"],
        ),
        ("ERROR: No matching distribution found for torch==2.13.0+cpu", ["torch==2.13.0+cpu", "Advanced"]),
        ("OSError: [WinError 206] The filename or extension is too long", ["too long", "short"]),
        ("PermissionError: [Errno 13] Permission denied: 'x'", ["cannot be written", "other Slicer windows"]),
        ("/opt/slicer/bin/python-real: No module named pip", ["has no pip", "Advanced"]),
        ("ERROR: something new", ["ERROR: something new", "log"]),
        ("", ["without a word"]),
    ],
)
def test_failure_is_one_sentence_that_says_what_to_do(output: str, words: list[str]) -> None:
    sentence = explainPipFailure(output, LAYOUT, None, "2.0 GB")
    for word in words:
        assert word in sentence
    assert len(sentence.splitlines()) == 1


def test_missing_wheel_tells_how_to_make_the_folder() -> None:
    output = "(from versions: none)\nERROR: No matching distribution found for scipy==1.17.1"
    sentence = explainPipFailure(output, LAYOUT, Path("/usb"), "1 GB")
    assert "scipy==1.17.1" in sentence
    assert "Save wheels" in sentence


def test_progress_follows_the_bytes_and_never_falls(tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []
    progress = InstallProgress(200_000_000, 1000, [tmp_path], lambda *values: told.append(values))
    for line in (
        "Collecting torch",
        "  Downloading torch-2.13.0-cp312.whl (100.0 MB)",
        "Progress 50000000 of 100000000",
    ):
        progress.readLine(line)
    assert told[-1] == (pytest.approx(0.95 * 0.7 * 0.25), "Downloading torch")
    assert not progress.readLine("Progress 100000000 of 100000000")
    progress.readLine("  Using cached scipy-1.17.1-cp312.whl (100.0 MB)")
    (tmp_path / "unpacked").write_bytes(b"x" * 500)
    (tmp_path / "not yet.whl").write_bytes(b"x" * 500)
    assert progress.readLine("Installing collected packages: torch, scipy")
    assert told[-1] == (pytest.approx(0.95 * (0.7 + 0.3 * 0.5)), "Unpacking")
    assert [fraction for fraction, _ in told] == sorted(fraction for fraction, _ in told)


def test_progress_counts_announced_sizes_where_pip_draws_no_bar(tmp_path: Path) -> None:
    told: list[float] = []
    progress = InstallProgress(200_000_000, 1000, [tmp_path], lambda fraction, _stage: told.append(fraction))
    progress.readLine("  Downloading torch-2.13.0-cp312.whl (100.0 MB)")
    progress.readLine("  Downloading scipy-1.17.1-cp312.whl (100.0 MB)")
    assert told[-1] == pytest.approx(0.95 * 0.7 * 0.5)


def test_sizes_are_written_for_people() -> None:
    assert formatBytes(314_000_000) == "314 MB"
    assert formatBytes(2_850_000_000) == "2.9 GB"


def _setup(tmp_path: Path) -> EngineWork.EngineWork:
    tiny = make_tiny_engine(tmp_path / "offline", thisPlatform(), runningPython())
    layout, stop = EngineLayout(tmp_path / "private"), threading.Event()
    return EngineWork.EngineWork(layout, EngineCatalog(tiny.catalog), EngineMessages.Sender(), stop)


def test_full_disk_is_noticed_before_anything_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=5000))
    with pytest.raises(Problem, match=r"left, the installation needs.*Advanced"):
        _setup(tmp_path).install("cpu", None)


def test_path_too_long_for_windows_is_noticed_before_anything_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EngineWork, "IS_WINDOWS", True)
    monkeypatch.setattr(EngineWork, "WINDOWS_PATH_LIMIT", 60)
    with pytest.raises(Problem, match="too long a name for Windows"):
        _setup(tmp_path).install("cpu", None)


def test_files_in_use_are_said_when_removing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = _setup(tmp_path)
    (tmp_path / "private" / "e123456").mkdir(parents=True)
    monkeypatch.setattr(shutil, "rmtree", lambda *_arguments, **_options: None)
    with pytest.raises(Problem, match="in use"):
        setup.remove()


def test_messages_survive_being_cut_and_mixed_with_other_text() -> None:
    receiver = EngineMessages.Receiver()
    data = b'{"event": "progress", "fraction": 0.5, "stage": "x"}\r\nTraceback \xff\n[1]\n\n{"event": "done"}\n{"ev'
    messages = [message for index in range(len(data)) for message in receiver.feed(data[index : index + 1])]
    assert [message["event"] for message in messages] == ["progress", "log", "log", "done"]
    assert "Traceback" in messages[1]["line"]
