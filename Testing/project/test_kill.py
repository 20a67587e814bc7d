"""A project survives a kill at any instant: every change is wholly there or wholly absent, and opening says so."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from VQSegLib.models.checkpoint import load_checkpoint, save_checkpoint
from VQSegLib.project.check import check_project
from VQSegLib.project.folder import Project

CHURN = Path(__file__).with_name("churn.py")


class Expectation:
    """What a project must hold after what a process told of its work."""

    def __init__(self) -> None:
        self.revisions: dict[str, int] = {}
        self.promotions = 0
        self.done = 0

    def follow(self, lines: list[str]) -> list[str]:
        """Take what was done; return the words of what had only begun."""
        begun: list[str] = []
        for line in lines:
            state, kind, *rest = line.split()
            if state == "begin":
                begun = [kind, *rest]
                continue
            begun, self.done = [], self.done + 1
            if kind in ("add", "revise"):
                self.revisions[rest[0]] = int(rest[1])
            elif kind == "remove":
                del self.revisions[rest[0]]
            else:
                self.promotions = int(rest[1])
        return begun

    def compare(self, project: Project, begun: list[str]) -> bool:
        """Assert that the project is as told, with what had only begun wholly there or wholly absent.

        Returns:
            Whether what had begun is there.
        """
        found = {record.case_id: len(record.labels) for record in project.cases()}
        promotions = len(project.models.active().history)
        kind, case_id = [*begun, "", ""][:2]
        is_there = found != self.revisions or promotions != self.promotions
        if is_there:
            if kind == "add":
                (case_id,) = found.keys() - self.revisions.keys()
                assert found[case_id] in (0, 1)
                self.revisions[case_id] = found[case_id]
            elif kind == "revise":
                self.revisions[case_id] += 1
            elif kind == "remove":
                del self.revisions[case_id]
            elif kind == "promote":
                self.promotions += 1
        assert found == self.revisions
        assert promotions == self.promotions
        return is_there


def kill_at_random_moments(folder: Path, kills: int) -> dict[str, int]:
    """Let processes change a project and kill each; check the project after every kill."""
    clock, expectation = random.Random(0), Expectation()
    counts = {"kills": kills, "left something": 0, "took effect": 0, "taken back": 0}
    for seed in range(kills):
        command = [sys.executable, str(CHURN), str(folder), str(seed)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(clock.uniform(0, 0.2))
            process.kill()
            lines = process.stdout.read().split("\n")[:-1]
        begun = expectation.follow(lines)
        leftovers = list(folder.rglob(".vqseg-*"))
        project = Project.open(folder)
        assert bool(project.repairs) == bool(leftovers)
        counts["left something"] += bool(leftovers)
        assert list(folder.rglob(".vqseg-*")) == []
        is_there = expectation.compare(project, begun)
        counts["took effect"] += is_there
        counts["taken back"] += bool(begun) and not is_there
        assert check_project(project).problems == ()
    counts["changes"] = expectation.done
    return counts


@pytest.fixture
def churned(project: Project, tiny_model: Path, tmp_path: Path) -> Path:
    """A project with two models to promote in turn."""
    model = load_checkpoint(tiny_model)
    save_checkpoint(tmp_path / "other.safetensors", model.network, model.card.model_copy(update={"name": "other"}))
    for path in (tiny_model, tmp_path / "other.safetensors"):
        project.models.add(path)
    return project.path


def test_project_survives_kills(churned: Path) -> None:
    assert kill_at_random_moments(churned, 10)["changes"] > 10


@pytest.mark.slow
def test_project_survives_200_kills(churned: Path) -> None:
    counts = kill_at_random_moments(churned, 200)
    print(counts)  # noqa: T201 - the counts are the result
    assert counts["left something"] > 50
    assert counts["took effect"] + counts["taken back"] > 100
