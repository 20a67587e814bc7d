"""A process that is started apart: where it finds its code and where its words go."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest

from VQSegLib.errors import ProjectError
from VQSegLib.runs.process import describe_scheduler, lower_priority, start_detached

ROOT = str(Path(__file__).resolve().parents[2])
TELL = "import sys, VQSegLib; print(VQSegLib.__file__); print(sys.path[1:4]); print('Ö', file=sys.stderr)"


def run(code: str, log: Path) -> list[str]:
    start_detached(["-c", code], log).wait(timeout=120)
    return log.read_text(encoding="utf-8").splitlines()


def test_it_finds_the_engine_wherever_it_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    log = tmp_path / "für später.txt"
    log.write_text("before\n", encoding="utf-8")
    lines = run(TELL, log)
    assert lines[0] == "before"
    assert "Ö" in lines
    assert any(line.startswith(ROOT) for line in lines)


def test_what_its_starter_may_import_comes_first_as_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Slicer's private folder the engine's packages come before the folder that holds other modules, too."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), ROOT]))
    assert str([str(tmp_path), ROOT])[1:-1] in "\n".join(run(TELL, tmp_path / "log.txt"))


def test_a_program_that_cannot_be_started_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    with pytest.raises(ProjectError, match="The run could not be started"):
        start_detached(["-c", ""], tmp_path / "log.txt")
    with pytest.raises(ProjectError, match="could not be started"):
        start_detached(["-c", ""], tmp_path / "no folder" / "log.txt")


def test_priority_is_lowered_and_never_raised(tmp_path: Path) -> None:
    code = (
        "import psutil; from VQSegLib.runs.process import lower_priority; p = psutil.Process();"
        "before = p.nice(); lower_priority(); lower_priority(); print(int(before), int(p.nice()))"
    )
    before, after = map(int, run(code, tmp_path / "log.txt")[-1].split())
    assert after == (psutil.BELOW_NORMAL_PRIORITY_CLASS if os.name == "nt" else max(before, 10))
    assert callable(lower_priority)


def test_a_scheduler_is_recognized(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID"):
        monkeypatch.delenv(name, raising=False)
    assert describe_scheduler() is None
    monkeypatch.setenv("PBS_JOBID", "1.server")
    assert "job of PBS" in str(describe_scheduler())
