"""An evaluation as text for people and as JSON for programs."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from VQSegLib.evaluation.results import CaseScores, Evaluation, LabelScores, LabelSummary, Mean

_OVERLAPS = ("dice", "jaccard", "surface_dice")


def format_json(evaluation: Evaluation) -> str:
    """Return the evaluation as strict JSON; ``Evaluation.model_validate_json`` reads it back."""
    return evaluation.model_dump_json(indent=2)


def format_table(evaluation: Evaluation, width: int = 120) -> str:
    """Return the evaluation as plain text without colors.

    Args:
        evaluation: Any number of cases.
        width: Columns of the text.
    """
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(build_table(evaluation))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def build_table(evaluation: Evaluation) -> Group:
    """Return what rich prints: one case by label, or several cases by case and by label, and notes below."""
    if len(evaluation.cases) == 1:
        tables = [_build_case_table(evaluation.cases[0], evaluation)]
    else:
        tables = [_build_cases_table(evaluation), _build_labels_table(evaluation)]
    return Group(*tables, *map(Text, _describe_notes(evaluation)))


def _build_case_table(case: CaseScores, evaluation: Evaluation) -> Table:
    table = _start_table(case.case_id, ("label",), evaluation)
    for label in case.labels:
        table.add_row(Text(label.name), *_format_scores(label.scores), _describe_presence(label))
    table.add_section()
    table.add_row("mean", *_format_means(case.means), "")
    return table


def _build_cases_table(evaluation: Evaluation) -> Table:
    table = _start_table(f"{len(evaluation.cases)} cases, mean over labels", ("case", "labels"), evaluation)
    for case in evaluation.cases:
        scored = sum(label.presence != "absent" for label in case.labels)
        notes = [_describe_presence(label, label.name) for label in case.labels if label.presence != "both"]
        table.add_row(Text(case.case_id), str(scored), *_format_means(case.means), Text("; ".join(notes)))
    table.add_section()
    table.add_row("mean", "", *_format_means(evaluation.means), "")
    return table


def _build_labels_table(evaluation: Evaluation) -> Table:
    table = _start_table("Labels, mean over cases", ("label", "cases"), evaluation)
    for label in evaluation.labels:
        scored = len(evaluation.cases) - label.absent
        table.add_row(Text(label.name), str(scored), *_format_means(label.means), _describe_counts(label))
    return table


def _start_table(title: str, columns: tuple[str, ...], evaluation: Evaluation) -> Table:
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(columns[0], overflow="fold")
    # Spaces instead of underscores let long names wrap in a narrow terminal; four decimals must stay whole.
    for column in (*columns[1:], *(name.replace("_", " ") for name in evaluation.settings.metric_names)):
        table.add_column(column, justify="right", min_width=7, overflow="fold")
    table.add_column("note", min_width=8, overflow="fold")
    return table


def _format_scores(scores: Mapping[str, float]) -> list[str]:
    return [_format_number(name, score) for name, score in scores.items()]


def _format_means(means: Mapping[str, Mean]) -> list[str]:
    """Format means; an infinite one also shows the mean of the finite values in parentheses."""
    cells = []
    for name, mean in means.items():
        cell = _format_number(name, mean.mean)
        is_partial = math.isinf(mean.mean) and math.isfinite(mean.finite_mean)
        cells.append(f"{cell} ({_format_number(name, mean.finite_mean)})" if is_partial else cell)
    return cells


def _format_number(metric_name: str, value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.4f}" if metric_name.startswith(_OVERLAPS) else f"{value:.2f}"


def _describe_presence(label: LabelScores, name: str = "") -> str:
    texts = {
        "both": "",
        "missed": "missed: only in the reference",
        "spurious": "spurious: only in the prediction",
        "absent": "absent in both, not scored",
    }
    short = f"{name} {label.presence}" if name else ""
    return short or texts[label.presence]


def _describe_counts(label: LabelSummary) -> str:
    counts = {"missed": label.missed, "spurious": label.spurious, "absent": label.absent}
    return ", ".join(f"{name} in {count}" for name, count in counts.items() if count)


def _describe_notes(evaluation: Evaluation) -> list[str]:
    """Return one line for each thing a reader of the numbers must know."""
    notes = []
    if evaluation.settings.unit == "voxel":
        notes.append("Distances are in voxels (spacing taken as 1), as in most papers; use mm to compare scanners.")
    if any(math.isinf(mean.mean) for case in evaluation.cases for mean in case.means.values()):
        notes.append(
            "inf: a structure lies in one label map only; in parentheses the mean without these, which flatters."
        )
    for case in evaluation.cases:
        for source, values in (("prediction", case.unknown_in_prediction), ("reference", case.unknown_in_reference)):
            if values:
                listed = ", ".join(map(str, values))
                notes.append(f"Not in the label table, not scored: {listed} (in the {source} of {case.case_id}).")
    if evaluation.without_prediction:
        notes.append(f"No prediction, not scored: {', '.join(evaluation.without_prediction)}.")
    if evaluation.without_reference:
        notes.append(f"No reference, not scored: {', '.join(evaluation.without_reference)}.")
    return notes
