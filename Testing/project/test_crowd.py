"""Many programs add to one project at once: no case is lost, none is doubled, every fifth patient is held out."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from VQSegLib.project.check import check_project
from VQSegLib.project.folder import Project

CROWD = Path(__file__).with_name("crowd.py")


def add_at_once(folder: Path, writers: int, cases: int, shared: int) -> None:
    """Let processes add cases and compare the project with what they told."""
    started = [
        subprocess.Popen(
            [sys.executable, str(CROWD), str(folder), str(writer), str(cases), str(shared)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        for writer in range(writers)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.communicate(timeout=900)[0].split("\n") for process in started]
    assert [process.returncode for process in started] == [0] * writers
    added = [line for lines in told for line in lines if line.startswith("case-")]
    won = sum(int(line.removeprefix("won ")) for lines in told for line in lines if line.startswith("won "))
    project = Project.open(folder)
    labeled = {record.case_id for record in project.cases(state="queued")}
    assert len(added) == len(set(added)) == writers * cases
    assert labeled == set(added)
    assert won == shared == len(project.cases(state="unlabeled"))
    assert len(project.cases(split="held_out")) == writers * cases // 5
    assert project.repairs == ()
    assert check_project(project).problems == ()


def test_no_case_is_lost_or_doubled(project: Project) -> None:
    add_at_once(project.path, writers=4, cases=20, shared=10)


@pytest.mark.slow
def test_eight_writers_with_200_cases_each(project: Project) -> None:
    began = time.perf_counter()
    add_at_once(project.path, writers=8, cases=200, shared=50)
    print(f"1600 cases in {time.perf_counter() - began:.0f} s")  # noqa: T201 - the figure is the result
