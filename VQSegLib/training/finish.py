"""The end of a run: its weights become a model file whose card says where they come from and how good they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from VQSegLib.models.checkpoint import Model, save_checkpoint
from VQSegLib.models.network import VQSegNet
from VQSegLib.models.protocol import InMemoryModel
from VQSegLib.project.folder import Project
from VQSegLib.training.case_source import CaseSource
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.held_out_scores import ScoreStore, score_model, summarize_scores
from VQSegLib.training.model_card import build_card
from VQSegLib.training.splits import TrainingCases


@dataclass(frozen=True)
class FinishedRun:
    """What a model file is made of.

    Attributes:
        config: The run.
        cases: What it used.
        network: Network with the weights to keep.
        best: Their ``step`` and validation Dice ``per_label``.
        parent: Model the run started from.
        command: Command line.
    """

    config: TrainingConfig
    cases: TrainingCases
    network: VQSegNet
    best: dict[str, Any]
    parent: Model | None
    command: str


def save_model(
    path: Path, project: CaseSource, run: FinishedRun, *, device: str, cancelled: Callable[[], bool] | None = None
) -> None:
    """Score the weights on the held-out cases and write the model file.

    Raises:
        Cancelled: ``cancelled`` answered True; nothing was written.
        ModelFileError: The file exists or cannot be written.
    """
    cases, network = run.cases, run.network
    candidate = InMemoryModel(network, network.config, run.config.preprocessing, cases.labels)
    scores = score_model(project, cases.held_out, cases.labels, candidate, device=device, cancelled=cancelled)
    card = build_card(
        run.config,
        cases,
        network.config,
        run.best,
        run.command,
        parent=run.parent,
        held_out=summarize_scores(scores),
    )
    sha256 = save_checkpoint(path, network, card)
    # Published data sets have no shelf of models to keep scores beside.
    if isinstance(project, Project):
        store = ScoreStore(project)
        for record, score in zip(cases.held_out, scores, strict=True):
            store.save(sha256, record, cases.labels, score)
