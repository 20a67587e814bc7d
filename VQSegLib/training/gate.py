"""The promotion gate: two models on the held-out cases, and what the rule says about them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from VQSegLib.inference.predictor import Predictor
from VQSegLib.models.checkpoint import load_checkpoint
from VQSegLib.models.model_file import parse_card, read_header
from VQSegLib.project.cases import CaseRecord, CaseState, Split
from VQSegLib.project.folder import Project
from VQSegLib.training.earlier_pools import describe_pools
from VQSegLib.training.figures import ComparedModel, Comparison
from VQSegLib.training.held_out_scores import HeldOutScore, ScoreStore, score_case
from VQSegLib.training.model_comparison import compare_scores
from VQSegLib.training.rule import RULE, describe_bias, judge


def find_held_out(project: Project) -> list[CaseRecord]:
    """Return the cases that compare models."""
    records = project.cases(split=Split.HELD_OUT)
    return [record for record in records if record.is_labeled and record.state != CaseState.EXCLUDED]


def compare_models(
    project: Project,
    old: Path,
    new: Path,
    *,
    device: str = "auto",
    on_case: Callable[[int, int], None] = lambda _done, _all: None,
    cancelled: Callable[[], bool] | None = None,
) -> Comparison:
    """Compare two model files on the held-out cases; what was scored before is not scored again.

    Args:
        project: Project.
        old: Model file.
        new: Model file.
        device: Device to segment on.
        on_case: Called with scans looked at and scans in all, over both models.
        cancelled: Polled between batches.

    Raises:
        ModelFileError: A model file cannot be used.
        ProjectError: A case cannot be read.
        Cancelled: ``cancelled`` answered True.
    """
    records = find_held_out(project)
    models = [_describe_file(path) for path in (old, new)]
    scores: list[list[HeldOutScore]] = []
    for path, model in zip((old, new), models, strict=True):
        done = len(scores) * len(records)
        tell = partial(_tell, on_case, done, 2 * len(records))
        scores.append(_score(project, path, model.sha256, records, device, tell, cancelled))
    hashes = {"old_sha256": models[0].sha256, "new_sha256": models[1].sha256}
    figures = compare_scores(records, project.labels, scores[0], scores[1], **hashes)
    verdict, sentence = judge(figures)
    return Comparison(
        old=models[0],
        new=models[1],
        figures=figures,
        verdict=verdict,
        sentence=sentence,
        notes=(*describe_bias(figures), *describe_pools(project, old, new, records)),
        rule=RULE,
    )


def _describe_file(path: Path) -> ComparedModel:
    header = read_header(path)
    return ComparedModel(name=parse_card(path, header).name, sha256=header.sha256)


def _tell(on_case: Callable[[int, int], None], before: int, total: int, number: int) -> None:
    on_case(before + number, total)


def _score(
    project: Project,
    path: Path,
    sha256: str,
    records: list[CaseRecord],
    device: str,
    on_case: Callable[[int], None],
    cancelled: Callable[[], bool] | None,
) -> list[HeldOutScore]:
    """Score a model file; it is loaded only if something is not known yet."""
    store, labels, predictor = ScoreStore(project), project.labels, None
    scores = []
    for number, record in enumerate(records):
        score = store.load(sha256, record, labels)
        if score is None:
            on_case(number)
            predictor = predictor or Predictor(load_checkpoint(path), device=device)
            score = score_case(project, record, labels, predictor, cancelled)
            store.save(sha256, record, labels, score)
        scores.append(score)
    return scores
