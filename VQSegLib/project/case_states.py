"""How the state of a case follows from its record, and how it changes."""

from __future__ import annotations

from VQSegLib.project.cases import CaseRecord, CaseState


def natural_state(record: CaseRecord) -> CaseState:
    """Return the state of a case that is not excluded."""
    latest = record.latest_label
    if latest is None:
        return CaseState.UNLABELED
    return CaseState.TRAINED if record.trained_revision == latest.revision else CaseState.QUEUED


def excluded(record: CaseRecord) -> CaseRecord:
    """Return the record of a case that is left out of everything."""
    return record.model_copy(update={"state": CaseState.EXCLUDED})


def with_natural_state(record: CaseRecord) -> CaseRecord:
    """Return the record in the state that follows from its label maps and its training."""
    return record.model_copy(update={"state": natural_state(record)})


def trained(record: CaseRecord, *, run_id: str, revision: int) -> CaseRecord:
    """Return the record of a case of which a finished run used a revision; an excluded case stays excluded."""
    noted = record.model_copy(update={"trained_revision": revision, "trained_run": run_id})
    return noted if record.state == CaseState.EXCLUDED else with_natural_state(noted)
