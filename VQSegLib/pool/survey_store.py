"""Surveys of a project's scans, kept in ``cache/surveys`` so that each scan is looked at once by each model.

The folder may be deleted at any time.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from VQSegLib.atomic_files import write_text
from VQSegLib.documents import Document
from VQSegLib.pool.survey import Survey


class SurveyDocument(Document):
    """A survey on disk."""

    image_sha256: str
    unsure_nats_ml: tuple[float, ...]
    code_shares: tuple[float, ...] | None


class SurveyStore:
    """Keeps the surveys that one model made."""

    def __init__(self, project_folder: Path, model_sha256: str) -> None:
        """Keep surveys of a model in a project."""
        self._folder = project_folder / "cache" / "surveys" / model_sha256[:20]

    def find(self, case_id: str, image_sha256: str) -> Survey | None:
        """Return the survey of a case, None if there is none of this very image."""
        try:
            document = SurveyDocument.model_validate_json((self._folder / f"{case_id}.json").read_bytes())
        except (OSError, ValueError):
            return None
        if document.image_sha256 != image_sha256:
            return None
        shares = None if document.code_shares is None else np.array(document.code_shares)
        return Survey(np.array(document.unsure_nats_ml), shares)

    def keep(self, case_id: str, image_sha256: str, survey: Survey) -> None:
        """Keep a survey; in a project that cannot be written it is made anew the next time."""
        document = SurveyDocument(
            image_sha256=image_sha256,
            unsure_nats_ml=tuple(survey.unsure_nats_ml.tolist()),
            code_shares=None if survey.code_shares is None else tuple(survey.code_shares.tolist()),
        )
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            write_text(self._folder / f"{case_id}.json", document.model_dump_json())
