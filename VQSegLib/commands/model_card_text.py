"""A model card as text for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from VQSegLib.models.card import ModelCard, Scores


def format_card(card: ModelCard) -> str:
    """Return the card as lines of text."""
    return "\n".join(_describe(card))


def _describe(card: ModelCard) -> Iterator[str]:
    yield card.name
    if card.description:
        yield card.description
    yield f"Intended use: {card.intended_use}"
    quantizer = card.network.quantizer
    codebook = f"{quantizer.codebook_size} codes ({quantizer.kind})" if quantizer else "no quantizer"
    yield f"Network: {card.network.spatial_dims}-D, encoder {card.network.encoder.kind}, {codebook}"
    window = f"{card.preprocessing.window_low:g} to {card.preprocessing.window_high:g} HU"
    spacing = card.preprocessing.spacing_mm_kji
    grid = "the scan's own" if spacing is None else " x ".join(f"{value:g}" for value in spacing)
    yield f"Input: window {window}, spacing {grid} mm (slice, row, column)"
    yield "Structures: " + ", ".join(f"{label.value} {label.name}" for label in card.labels.labels)
    if card.training:
        record = card.training
        yield (
            f"Training: {record.method}, {record.labeled_cases} labeled and {record.unlabeled_cases} unlabeled cases, "
            f"{record.steps} steps, foundation teacher {record.teacher}"
        )
    for scores in (card.validation, card.test):
        if scores:
            yield from _describe_scores(scores)
    for title, text in (("Licence", card.license), ("Citation", card.citation)):
        if text:
            yield f"{title}: {text}"
    yield f"Created {card.created:%Y-%m-%d} by vqseg {card.vqseg_version}"


def _describe_scores(scores: Scores) -> Iterator[str]:
    yield f"Scores on {scores.cases} {scores.split} cases: {_format_metrics(scores.mean)}"
    for name, metrics in scores.per_label.items():
        yield f"  {name}: {_format_metrics(metrics)}"


def _format_metrics(metrics: dict[str, float | None]) -> str:
    return ", ".join(f"{name} {'undefined' if value is None else f'{value:.3f}'}" for name, value in metrics.items())
