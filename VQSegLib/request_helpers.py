"""Small adapters between what a request is given and what does the work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from VQSegLib.errors import Cancelled
from VQSegLib.service_results import OnProgress

if TYPE_CHECKING:
    from VQSegLib.project.folder import Project


def never() -> bool:
    """Say that nobody wants the work to stop."""
    return False


def without_time(on_progress: OnProgress | None) -> Callable[[float, str], None] | None:
    """Return a progress callback for work that cannot tell the time left."""
    return None if on_progress is None else lambda fraction, stage: on_progress(fraction, stage, None)


def stopper(cancelled: Callable[[], bool]) -> Callable[[], None]:
    """Return a function that raises once the work is cancelled."""

    def stop() -> None:
        if cancelled():
            msg = "Stopped as asked; nothing was changed."
            raise Cancelled(msg)

    return stop


def patient_of(project: Project, case_id: str | None) -> str | None:
    """Return the patient of an earlier case; None, a new patient, when no case is given.

    Raises:
        ProjectError: There is no such case, or it is damaged.
    """
    return None if case_id is None else project.case(case_id).patient_id
