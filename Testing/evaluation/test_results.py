"""Names of the metrics and the documents' way to JSON and back."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from VQSegLib.evaluation.evaluate import evaluate_arrays
from VQSegLib.evaluation.results import Evaluation, EvaluationSettings
from VQSegLib.evaluation.summary import summarize
from VQSegLib.labels import Label, LabelTable


def test_distances_carry_their_unit() -> None:
    assert EvaluationSettings().metric_names == (
        "dice",
        "jaccard",
        "hd95_mm",
        "asd_mm",
        "assd_mm",
        "surface_dice_at_2_mm",
    )
    assert EvaluationSettings(unit="voxel", tolerance=1).metric_names[2] == "hd95_voxel"


@pytest.mark.parametrize("wrong", [{"unit": "cm"}, {"tolerance": -1.0}])
def test_unknown_unit_and_negative_tolerance_are_refused(wrong) -> None:
    with pytest.raises(ValidationError):
        EvaluationSettings(**wrong)


def test_infinite_and_missing_scores_survive_strict_json() -> None:
    table = LabelTable(labels=tuple(Label(value=value, name=str(value), color=(0, 0, 0)) for value in (1, 2)))
    prediction, reference = np.zeros((3, 3, 3)), np.zeros((3, 3, 3))
    reference[1, 1, 1] = 1
    evaluation = summarize([evaluate_arrays(prediction, reference, (1, 1, 1), table)], EvaluationSettings())
    text = evaluation.model_dump_json()

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is not JSON")

    scores = [label["scores"]["hd95_mm"] for label in json.loads(text, parse_constant=refuse)["cases"][0]["labels"]]
    assert scores == ["Infinity", "NaN"]
    assert Evaluation.model_validate_json(text).model_dump_json() == text
