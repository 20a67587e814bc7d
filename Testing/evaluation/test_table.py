"""What a person reads after `vqseg evaluate`."""

import json
import re

import numpy as np
import pytest

from VQSegLib.evaluation.evaluate import evaluate_arrays
from VQSegLib.evaluation.results import Evaluation, EvaluationSettings
from VQSegLib.evaluation.summary import summarize
from VQSegLib.evaluation.table import format_json, format_table
from VQSegLib.labels import Label, LabelTable

TABLE = LabelTable(
    labels=tuple(Label(value=value, name=name, color=(0, 0, 0)) for value, name in ((1, "Liver"), (2, "Spleen")))
)


def evaluate(*case_ids: str, unit="mm", missed: bool = False, **alone) -> Evaluation:
    settings = EvaluationSettings(unit=unit)
    reference = np.zeros((4, 4, 4), np.uint8)
    reference[1:3, 1:3, 1:3], reference[3, 3, 3] = 1, 2
    prediction = np.where(reference == 2, 0, reference) if missed else reference
    cases = [
        evaluate_arrays(prediction if index else reference, reference, (1, 1, 1), TABLE, settings, case_id=case_id)
        for index, case_id in enumerate(case_ids, start=int(missed and len(case_ids) == 1))
    ]
    return summarize(cases, settings, **alone)


def find_row(text: str, first_cell: str) -> list[str]:
    row = next(line for line in text.splitlines() if re.match(rf" *{first_cell}\b", line))
    return re.split(r" {2,}", row.strip())


def test_one_case_shows_its_labels_with_units_in_the_columns() -> None:
    text = format_table(evaluate("patient 7"))
    assert "patient 7" in text
    for column in ("dice", "jaccard", "hd95 mm", "asd mm", "assd mm", "surface dice at 2 mm"):
        assert column in text
    assert find_row(text, "Liver")[:4] == ["Liver", "1.0000", "1.0000", "0.00"]
    assert "\x1b" not in text


def test_missed_label_is_called_missed_and_its_distance_infinite() -> None:
    text = format_table(evaluate("a", missed=True))
    spleen = find_row(text, "Spleen")
    assert spleen[1:4] == ["0.0000", "0.0000", "inf"]
    assert spleen[-1].startswith("missed")
    assert find_row(text, "mean")[3] == "inf (0.00)"
    assert "which flatters" in text


def test_several_cases_show_cases_labels_and_their_means() -> None:
    text = format_table(evaluate("a", "b", missed=True))
    assert find_row(text, "b")[2] == "0.5000"
    assert find_row(text, "b")[-1] == "Spleen missed"
    assert find_row(text, "mean")[2] == "0.7500"
    assert find_row(text, "Spleen")[1:3] == ["2", "0.5000"]
    assert find_row(text, "Spleen")[-1] == "missed in 1"


def test_what_was_not_scored_is_said() -> None:
    reference = np.zeros((3, 3, 3), np.uint8)
    reference[0], reference[1] = 1, 9
    case = evaluate_arrays(reference, reference, (1, 1, 1), TABLE, case_id="a")
    text = format_table(summarize([case], EvaluationSettings(), without_prediction=["x"], without_reference=["y"]))
    assert "Not in the label table, not scored: 9 (in the prediction of a)." in text
    assert "No prediction, not scored: x." in text
    assert "No reference, not scored: y." in text
    assert find_row(text, "Spleen")[1] == "-"
    assert "absent" in find_row(text, "Spleen")[-1]


def test_voxel_unit_is_explained() -> None:
    text = format_table(evaluate("a", unit="voxel"))
    assert "hd95 voxel" in text
    assert "Distances are in voxels" in text


@pytest.mark.parametrize("width", [80, 120])
def test_no_number_is_cut_off_in_a_narrow_terminal(width) -> None:
    text = format_table(evaluate("a", "b", missed=True), width)
    assert "…" not in text
    assert find_row(text, "b")[2:4] == ["0.5000", "0.5000"]
    assert max(map(len, text.splitlines())) <= width


def test_names_with_brackets_are_shown_as_they_are() -> None:
    assert "case [bold]1" in format_table(evaluate("case [bold]1"))
    assert "case [bold]1" in format_table(evaluate("case [bold]1", "b"))


def test_json_holds_every_number_and_reads_back() -> None:
    evaluation = evaluate("a", "b", missed=True)
    data = json.loads(format_json(evaluation))
    assert data["cases"][1]["labels"][1]["presence"] == "missed"
    assert data["means"]["dice"]["mean"] == pytest.approx(0.75)
    assert Evaluation.model_validate_json(format_json(evaluation)) == evaluation
