"""The next scans of a project to label."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from VQSegLib.documents import Document
from VQSegLib.errors import ProjectError, UserError
from VQSegLib.inference.progress import OnProgress
from VQSegLib.pool.ranking import rank_pool
from VQSegLib.pool.survey import Survey, Surveyor
from VQSegLib.pool.survey_store import SurveyStore
from VQSegLib.project.cases import CaseRecord, CaseState, Split
from VQSegLib.project.folder import Project

if TYPE_CHECKING:
    from VQSegLib.models.checkpoint import Model


class NextScan(Document):
    """One scan to label."""

    case_id: str
    score: float = Field(description="0 to 1: mean of the two shares below.")
    unsureness: float = Field(description="Share of the pool about which the model is surer.")
    novelty: float | None = Field(description="Share of the pool that is more like the labeled scans; null: unknown.")
    unsure_labels: tuple[str, ...]
    reason: str


class NextScans(Document):
    """Answer to ``cases next``."""

    model: str
    model_sha256: str
    pool: int = Field(description="Number of unlabeled scans.")
    scans: tuple[NextScan, ...] = Field(description="The most useful first.")
    failed: dict[str, str] = Field(description="Case id to the reason it could not be looked at.")


def find_next_scans(
    project: Project,
    model: Model,
    *,
    limit: int,
    device: str,
    on_progress: Callable[[float, str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> NextScans:
    """Rank the unlabeled pool; every scan is looked at once by each model, and that is kept.

    Args:
        project: Project.
        model: Model that looks at the scans.
        limit: How many scans to name at most.
        device: Where to compute.
        on_progress: Called with the fraction done and the stage.
        cancelled: Polled between batches; what was looked at until then is kept.

    Raises:
        ProjectError: No scan is unlabeled.
        ConfigError: The device is not there.
        Cancelled: ``cancelled`` answered True.
    """
    usable = [record for record in project.list_cases().records if record.state != CaseState.EXCLUDED]
    train = [record for record in usable if record.split == Split.TRAIN]
    pool = [record for record in train if not record.is_labeled]
    labeled = [record for record in train if record.is_labeled]
    if not pool:
        msg = f"The project '{project.path}' has no unlabeled scan; add some with `vqseg cases add`."
        raise ProjectError(msg)
    surveys, failed = _Look(project, model, device, cancelled).take([*pool, *labeled], on_progress)
    known = [surveys[record.case_id] for record in labeled if record.case_id in surveys]
    candidates = {record.case_id: surveys[record.case_id] for record in pool if record.case_id in surveys}
    scans = tuple(
        NextScan(
            case_id=one.case_id,
            score=one.score,
            unsureness=one.unsureness,
            novelty=one.novelty,
            unsure_labels=one.unsure_labels,
            reason=one.reason,
        )
        for one in rank_pool(candidates, known, model.labels, limit=limit)
    )
    return NextScans(model=model.card.name, model_sha256=model.sha256, pool=len(pool), scans=scans, failed=failed)


class _Look:
    """Looks at scans and keeps what was seen."""

    def __init__(self, project: Project, model: Model, device: str, cancelled: Callable[[], bool] | None) -> None:
        self._project, self._cancelled = project, cancelled
        self._surveyor, self._store = Surveyor(model, device=device), SurveyStore(project.path, model.sha256)

    def take(
        self, records: Sequence[CaseRecord], on_progress: Callable[[float, str], None] | None
    ) -> tuple[dict[str, Survey], dict[str, str]]:
        """Return the survey of each case, and why others could not be looked at."""
        surveys: dict[str, Survey] = {}
        failed: dict[str, str] = {}
        for number, record in enumerate(records):
            stage = f"Looking at scan {number + 1} of {len(records)}"
            tell = functools.partial(_tell, on_progress, number / len(records), 1 / len(records), stage)
            try:
                surveys[record.case_id] = self._survey(record, tell)
            except UserError as exc:
                failed[record.case_id] = str(exc)
        return surveys, failed

    def _survey(self, record: CaseRecord, on_progress: OnProgress) -> Survey:
        sha256 = record.image.sha256
        kept = self._store.find(record.case_id, sha256)
        if kept is not None:
            return kept
        image = self._project.load_image(record.case_id)
        survey = self._surveyor.survey(image, on_progress=on_progress, cancelled=self._cancelled)
        self._store.keep(record.case_id, sha256, survey)
        return survey


def _tell(
    on_progress: Callable[[float, str], None] | None,
    start: float,
    share: float,
    stage: str,
    fraction: float,
    _stage: str,
    _seconds_left: float | None,
) -> None:
    """Report the progress of one scan as part of that of all."""
    if on_progress is not None:
        on_progress(start + share * fraction, stage)
