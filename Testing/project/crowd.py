"""Run as a process: add many cases to a project that other processes add to as well."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from VQSegLib.errors import ProjectError
from VQSegLib.project.folder import Project
from VQSegLib.volume import Volume

SHAPE = (3, 8, 8)


def main(folder: Path, writer: int, cases: int, shared: int) -> None:
    """Add scans of one's own with label maps, and in between scans that every writer tries to add."""
    project = Project.open(folder)
    label = Volume(np.ones(SHAPE, np.uint8), np.eye(4))
    common, own = np.random.default_rng(0), np.random.default_rng(1000 + writer)
    won = 0
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()  # until all are ready
    for number in range(cases):
        if number < shared:
            try:
                project.add_case(Volume(common.integers(-1000, 1000, SHAPE, dtype=np.int16), np.eye(4)), None)
                won += 1
            except ProjectError as refused:
                if "same image" not in str(refused):
                    raise
        record = project.add_case(Volume(own.integers(-1000, 1000, SHAPE, dtype=np.int16), np.eye(4)), label)
        sys.stdout.write(f"{record.case_id}\n")
    sys.stdout.write(f"won {won}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
