"""What a benchmark runs on: cases with fixed roles, and the labeled part of them that a run may see."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from VQSegLib.errors import ConfigError
from VQSegLib.evaluation.results import Unit
from VQSegLib.labels import LabelTable
from VQSegLib.project.cases import CaseRecord, CaseState
from VQSegLib.training.case_source import CaseSource
from VQSegLib.volume import Volume


@dataclass(frozen=True)
class BenchmarkData:
    """A data set with its split.

    Attributes:
        name: Short name, part of folder names.
        source: Where images and label maps come from.
        train: Labeled training cases, in the order in which a growing budget labels them.
        unlabeled: Further training cases; labels they have are not shown.
        validation: Cases that choose the weights of a run; empty where the protocol has none.
        test: Cases that are scored once.
        slices: Slices of a case are no volume: they are scored one by one in 2-D, and a case is their mean.
        unit: Unit of distances.
        stride: Distance of windows in prediction, voxels; None: by the overlap of the configuration.
        window: Lowest and highest intensity used.
        defaults: Part of the training configuration that suits the data; a user's values win.
        note: What must be said beside any score.
    """

    name: str
    source: CaseSource
    train: tuple[CaseRecord, ...]
    unlabeled: tuple[CaseRecord, ...]
    validation: tuple[CaseRecord, ...]
    test: tuple[CaseRecord, ...]
    slices: bool
    unit: Unit
    stride: tuple[int, ...] | None
    window: tuple[float, float]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def digest(self) -> str:
        """Hash over the voxels and roles of all cases: the same data and split give the same."""
        text = "|".join(
            ",".join(record.image.voxel_sha256 for record in part)
            for part in (self.train, self.unlabeled, self.validation, self.test)
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def count_labeled(self, budget: str) -> int:
        """Return the number of labeled training cases of a budget such as ``5%`` or ``8``.

        Raises:
            ConfigError: It is neither, or more than there are.
        """
        text, total = budget.strip(), len(self.train)
        try:
            share = float(text[:-1]) if text.endswith("%") else 0.0
            # The smallest share is still one case.
            count = max(1, round(share / 100 * total)) if 0 < share <= 100 else int(text)
        except ValueError:
            count = 0
        if not 1 <= count <= total:
            msg = (
                f"The labeled part '{budget}' must be a share such as 5% or a number of cases from 1 to {total}; "
                "several are separated by commas."
            )
            raise ConfigError(msg)
        return count


@dataclass(frozen=True)
class LabelBudget:
    """The training and validation cases of one run, as a source of cases; test cases are not among them.

    Attributes:
        data: The data set.
        labeled: How many training cases show their labels; the others are unlabeled.
        validate: Whether validation cases choose the weights; without, the last weights are kept.
    """

    data: BenchmarkData
    labeled: int
    validate: bool = True

    @property
    def path(self) -> Path:
        """Where the cases lie, for messages."""
        return self.data.source.path

    @property
    def labels(self) -> LabelTable:
        """What the label values mean."""
        return self.data.source.labels

    def cases(self) -> list[CaseRecord]:
        """Return the cases of the run; a hidden label is left out of its record."""
        hidden = [
            record.model_copy(update={"labels": (), "state": CaseState.UNLABELED})
            for record in (*self.data.train[self.labeled :], *self.data.unlabeled)
        ]
        validation = self.data.validation if self.validate else ()
        return [*self.data.train[: self.labeled], *hidden, *validation]

    def load_image(self, case_id: str) -> Volume:
        """Load the image of a case."""
        return self.data.source.load_image(case_id)

    def load_label(self, case_id: str, revision: int | None = None) -> Volume:
        """Load a label revision of a case."""
        return self.data.source.load_label(case_id, revision)
