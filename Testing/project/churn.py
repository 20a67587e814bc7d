"""Run as a process: change a project without end, telling what begins and what is done, until somebody kills it."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from VQSegLib.project.folder import Project
from VQSegLib.project.review import Review
from VQSegLib.volume import Volume

SHAPE = (12, 40, 40)
MOST_CASES = 12


def tell(*words: object) -> None:
    """Write one line at once."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def draw_image(rng: np.random.Generator) -> Volume:
    """Return a scan nobody has seen."""
    return Volume(rng.integers(-1000, 1000, SHAPE, dtype=np.int16), np.eye(4))


def draw_label(rng: np.random.Generator) -> Volume:
    """Return a label map nobody has seen."""
    return Volume(rng.integers(0, 2, SHAPE, dtype=np.uint8), np.eye(4))


def add(project: Project, rng: np.random.Generator) -> None:
    """Add a scan, with or without label map, of a new patient or of a known one."""
    label = draw_label(rng) if rng.random() < 0.6 else None
    known = [record.patient_id for record in project.cases()]
    patient_id = str(rng.choice(known)) if known and rng.random() < 0.4 else None
    review = Review(proposal=None if label is None else draw_label(rng))
    tell("begin", "add")
    record = project.add_case(draw_image(rng), label, patient_id=patient_id, review=review)
    tell("done", "add", record.case_id, len(record.labels))


def revise(project: Project, rng: np.random.Generator, case_id: str) -> None:
    """Accept a new label map."""
    tell("begin", "revise", case_id)
    record = project.revise_case(case_id, draw_label(rng), Review(proposal=draw_label(rng)))
    tell("done", "revise", case_id, len(record.labels))


def remove(project: Project, case_id: str) -> None:
    """Remove a case."""
    tell("begin", "remove", case_id)
    project.remove_case(case_id)
    tell("done", "remove", case_id)


def promote(project: Project) -> None:
    """Promote the model that is not in use."""
    current = project.models.active().current
    other = next(one for one in project.models.list() if current is None or one != current.model_id)
    tell("begin", "promote", other)
    active = project.models.promote(other, rule="The other one.")
    tell("done", "promote", other, len(active.history))


def churn(project: Project, seed: int) -> None:
    """Change the project for ever."""
    rng, choice = np.random.default_rng(seed), random.Random(seed)
    tell("ready")
    while True:
        case_ids = [record.case_id for record in project.cases()]
        kind = choice.choice(["add", "revise", "remove", "promote"])
        if kind == "promote":
            promote(project)
        elif not case_ids or (kind == "add" and len(case_ids) < MOST_CASES):
            add(project, rng)
        elif kind == "revise":
            revise(project, rng, choice.choice(case_ids))
        else:
            remove(project, choice.choice(case_ids))


if __name__ == "__main__":
    churn(Project.open(Path(sys.argv[1])), int(sys.argv[2]))
