"""How a label map came about, and what the person who accepted it vouches for."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Literal

import numpy as np

from VQSegLib import __version__
from VQSegLib.errors import ProjectError
from VQSegLib.project.cases import LabelEdits, Provenance
from VQSegLib.volume import Array, Volume

_LONGEST_NAME = 80


@dataclass(frozen=True)
class Review:
    """What is known about an accepted label map besides its voxels.

    Attributes:
        origin: ``corrected`` by a person from a proposal, ``imported`` as it was, or ``predicted`` and not looked at.
        annotator_id: Name the annotator chose to be recorded under.
        started: When the annotator began, ISO 8601 in UTC.
        model_id: Model whose proposal was corrected.
        model_sha256: Content hash of that model.
        proposal: That proposal, on the image's grid; None if it is not known.
        reviewed_slices: Slices (k) the person vouches for; None for all.
        is_empty_meant: The label map may hold background only.
    """

    origin: Literal["imported", "corrected", "predicted"] = "imported"
    annotator_id: str | None = None
    started: str | None = None
    model_id: str | None = None
    model_sha256: str | None = None
    proposal: Volume | None = None
    reviewed_slices: tuple[int, ...] | None = None
    is_empty_meant: bool = False

    def __post_init__(self) -> None:
        name = self.annotator_id
        if name is not None and (not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable()):
            msg = f"The annotator's name must be one line of 1 to {_LONGEST_NAME} characters, given {len(name)}."
            raise ProjectError(msg)

    def to_provenance(self) -> Provenance:
        """Return what is stored; the moment of acceptance is now."""
        return Provenance(
            created=utc_now(),
            started=self.started,
            software=f"vqseg {__version__}",
            origin=self.origin,
            annotator_id=self.annotator_id,
            model_id=self.model_id,
            model_sha256=self.model_sha256,
        )


def check_reviewed_slices(slices: tuple[int, ...] | None, slice_count: int) -> tuple[int, ...] | None:
    """Return the reviewed slices in order, each once; None when that is all of them.

    Raises:
        ProjectError: None is given, or one lies outside the scan.
    """
    if slices is None:
        return None
    ordered = tuple(sorted(set(slices)))
    if not ordered or ordered[0] < 0 or ordered[-1] >= slice_count:
        given = ", ".join(map(str, ordered[:8])) or "none"
        msg = f"The reviewed slices must be among 0 to {slice_count - 1} and at least one, given: {given}."
        raise ProjectError(msg)
    return None if len(ordered) == slice_count else ordered


def compare_with_proposal(label: Array, proposal: Array) -> tuple[Array, tuple[LabelEdits, ...]]:
    """Return where two ``(K, J, I)`` label maps differ (uint8 0 or 1), and by how much for each changed label."""
    changed = label != proposal
    before, after = proposal[changed], label[changed]
    added, removed = np.bincount(after, minlength=256), np.bincount(before, minlength=256)
    values = [value for value in range(1, 256) if added[value] or removed[value]]
    edits = tuple(
        LabelEdits(value=value, added_voxels=int(added[value]), removed_voxels=int(removed[value])) for value in values
    )
    return changed.astype(np.uint8), edits


def utc_now() -> str:
    """Return the present time as ISO 8601 in UTC, whole seconds."""
    return datetime.datetime.now(tz=datetime.UTC).isoformat(timespec="seconds")
