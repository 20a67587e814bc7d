"""Held-out scans that a model has seen without their label map, in the unlabeled pool of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from VQSegLib.models.checkpoint import read_card
from VQSegLib.project.cases import CaseRecord
from VQSegLib.project.folder import Project


def describe_pools(project: Project, old: Path, new: Path, records: Sequence[CaseRecord]) -> Iterator[str]:
    """Yield a warning for each of two models that saw held-out scans before they were labeled and held out.

    Args:
        project: Project whose models are asked for their parents.
        old: Model file.
        new: Model file.
        records: Held-out cases.

    Raises:
        ModelFileError: A model file cannot be used.
    """
    for words, path in (("the old model", old), ("the new model", new)):
        pool = _find_pool(project, path)
        seen = sum(record.image.voxel_sha256 in pool for record in records)
        if seen:
            yield (
                f"{seen} of {len(records)} held-out scans were in the unlabeled pool that {words} or one it started "
                "from learned from, which may favour it."
            )


def _find_pool(project: Project, path: Path) -> set[str]:
    """Return the voxel hashes of the unlabeled scans of a model and of its parents, as far as the project has them."""
    pool: set[str] = set()
    while True:
        card = read_card(path)
        if card.training is not None:
            pool.update(card.training.unlabeled_voxel_sha256)
        parent_id = None if card.parent is None else project.models.find_sha256(card.parent.sha256)
        if parent_id is None:
            return pool
        path = project.models.path(parent_id)
