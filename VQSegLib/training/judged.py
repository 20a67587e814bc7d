"""Scoring only what a person judged: reviewed slices, and labels that were in the table when the map was accepted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from VQSegLib.labels import LabelTable
from VQSegLib.project.case_files import find_revision
from VQSegLib.project.cases import CaseRecord
from VQSegLib.training.case_source import CaseSource
from VQSegLib.volume import Volume


@dataclass(frozen=True)
class Judged:
    """The accepted label map of a case and what it can be asked about.

    Attributes:
        reference: Label map; background in slices nobody reviewed.
        labels: Labels it says something about; None if it says nothing about any.
        is_reviewed: ``(K,)`` whether a slice was reviewed.
    """

    reference: Volume
    labels: LabelTable | None
    is_reviewed: npt.NDArray[np.bool_]

    def limit(self, prediction: Volume) -> Volume:
        """Return a prediction of this case with background in slices nobody reviewed."""
        return prediction.with_array(np.where(self.is_reviewed[:, None, None], prediction.array, 0))


def load_judged(project: CaseSource, record: CaseRecord, labels: LabelTable) -> Judged:
    """Load the latest label map of a record.

    Raises:
        ProjectError: The file is missing or not the one that was stored.
    """
    revision = find_revision(record, None)
    label = project.load_label(record.case_id, revision.revision)
    count = label.shape_kji[0]
    slices = range(count) if revision.reviewed_slices is None else revision.reviewed_slices
    is_reviewed = np.isin(np.arange(count), list(slices))
    unjudged = record.unjudged_values(labels)
    known = tuple(label for label in labels.labels if label.value not in unjudged)
    table = LabelTable(labels=known) if known else None
    judged = Judged(label, table, is_reviewed)
    return Judged(judged.limit(label), table, is_reviewed)
