"""Score a trained model on the test cases of its project and write the copy that is shipped.

The weights stay as they are; the card gains test scores, licence and citation. Run it once, after the model was chosen
on the validation cases: the test cases must choose nothing.

    python tools/release_model.py PROJECT RUN/model.safetensors Resources/models/NAME.safetensors --license MIT
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path

from VQSegLib.errors import UserError
from VQSegLib.evaluation.evaluate import evaluate_volumes
from VQSegLib.evaluation.results import Evaluation, EvaluationSettings, Mean
from VQSegLib.evaluation.summary import summarize
from VQSegLib.evaluation.table import format_table
from VQSegLib.inference.predictor import Predictor
from VQSegLib.labels import LabelTable
from VQSegLib.models.card import ModelCard, Scores
from VQSegLib.models.checkpoint import Model, load_checkpoint, save_checkpoint
from VQSegLib.project.cases import Split
from VQSegLib.project.folder import Project
from VQSegLib.resources import load_label_table


def score(project: Project, model: Model) -> Evaluation:
    """Predict and score every labeled test case."""
    predictor, settings = Predictor(model), EvaluationSettings()
    cases = []
    for record in project.cases(split=Split.TEST):
        predicted = predictor.predict(project.load_image(record.case_id)).label_map
        reference = project.load_label(record.case_id)
        cases.append(evaluate_volumes(predicted, reference, model.labels, settings, case_id=record.case_id))
    return summarize(cases, settings)


def as_scores(evaluation: Evaluation) -> Scores:
    """Return the scores as the card holds them."""
    return Scores(
        split="test",
        cases=len(evaluation.cases),
        mean=_numbers(evaluation.means),
        per_label={label.name: _numbers(label.means) for label in evaluation.labels},
    )


def _numbers(means: dict[str, Mean]) -> dict[str, float | None]:
    return {name: round(mean.mean, 4) if math.isfinite(mean.mean) else None for name, mean in means.items()}


def renamed(card: ModelCard, labels: LabelTable) -> ModelCard:
    """Return the card with another label table, its validation scores under the new names."""
    names = {old.name: new.name for old, new in zip(card.labels.labels, labels.labels, strict=True)}
    validation = card.validation
    if validation is not None:
        scores = {names[name]: values for name, values in validation.per_label.items()}
        validation = validation.model_copy(update={"per_label": scores})
    return card.model_copy(update={"labels": labels, "validation": validation})


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--name", help="Name on the card; by default that of the run.")
    parser.add_argument("--description", help="What the card says first; by default that of the run.")
    parser.add_argument("--labels", help="Label table with the same values, for newer names, colors or codes.")
    parser.add_argument("--license", required=True)
    parser.add_argument("--citation", default="")
    arguments = parser.parse_args()
    try:
        model = load_checkpoint(arguments.model)
        labels = load_label_table(arguments.labels) if arguments.labels else model.labels
        if labels.values != model.labels.values:
            msg = (
                f"The label table has the values {labels.values}, the model {model.labels.values}; give one that fits."
            )
            raise UserError(msg)
        model = replace(model, card=renamed(model.card, labels))
        evaluation = score(Project.open(arguments.project), model)
        changes = {
            "name": arguments.name or model.card.name,
            "description": arguments.description or model.card.description,
            "test": as_scores(evaluation),
            "license": arguments.license,
            "citation": arguments.citation,
        }
        save_checkpoint(arguments.output, model.network, model.card.model_copy(update=changes))
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(format_table(evaluation) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
