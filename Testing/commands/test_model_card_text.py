"""A model card as text names everything a user must know."""

from __future__ import annotations

from VQSegLib.commands.model_card_text import format_card
from VQSegLib.labels import LabelTable
from VQSegLib.models.card import ModelCard, Scores, TrainingRecord
from VQSegLib.models.config import NetworkConfig, PreprocessingConfig


def test_card_names_training_scores_and_licence(tiny_labels: LabelTable) -> None:
    card = ModelCard(
        name="neck",
        description="A description.",
        network=NetworkConfig(num_classes=3, quantizer=None),
        preprocessing=PreprocessingConfig(spacing_mm_kji=(3.0, 1.5, 1.5)),
        labels=tiny_labels,
        training=TrainingRecord(method="vqseg", steps=900, labeled_cases=26, unlabeled_cases=150),
        validation=Scores(split="validation", cases=5, mean={"dice": 0.7812}, per_label={"Cord": {"dice": None}}),
        license="Apache-2.0",
    )
    text = format_card(card)
    assert "26 labeled and 150 unlabeled cases, 900 steps, foundation teacher off" in text
    assert "Scores on 5 validation cases: dice 0.781" in text
    assert "Cord: dice undefined" in text
    assert "no quantizer" in text
    assert "spacing 3 x 1.5 x 1.5 mm" in text
    assert "Licence: Apache-2.0" in text
