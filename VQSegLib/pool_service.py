"""What can be asked about the pool of unlabeled scans."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from VQSegLib.case_service import CaseService
from VQSegLib.errors import UserError
from VQSegLib.request_helpers import without_time
from VQSegLib.scan_service import ScanService
from VQSegLib.service_results import OnProgress
from VQSegLib.transfer_service import TransferService

if TYPE_CHECKING:
    from VQSegLib.pool.next_scans import NextScans


class PoolService(CaseService, TransferService, ScanService):
    """Answers requests that need both a project and a model."""

    def find_next_scans(
        self,
        path: Path,
        *,
        model: str | None = None,
        limit: int = 10,
        device: str = "auto",
        on_progress: OnProgress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> NextScans:
        """Rank the unlabeled scans of a project; see :mod:`VQSegLib.pool.ranking`.

        Args:
            path: Project folder.
            model: File or name of the model that looks at the scans; None for the one the project uses.
            limit: How many scans to name at most.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``.
            on_progress: Told how far the work is.
            cancelled: Polled between batches.

        Raises:
            UserError: No scan is unlabeled, or the model cannot be used.
            Cancelled: ``cancelled`` answered True; what was looked at until then is kept.
        """
        from VQSegLib.pool.next_scans import find_next_scans

        if limit < 1:
            msg = f"At least 1 scan must be asked for, given {limit}."
            raise UserError(msg)
        project = self.open_project(path)
        active = project.models.active_path() if model is None else None
        if model is None and active is None:
            msg = "The project uses no model of its own yet; say which model is to look at the scans."
            raise UserError(msg)
        loaded = self._last_model.load(model or str(active), on_progress)
        return find_next_scans(
            project, loaded, limit=limit, device=device, on_progress=without_time(on_progress), cancelled=cancelled
        )
