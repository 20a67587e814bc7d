"""The table as people and programs read it."""

from __future__ import annotations

import csv
import io

from VQSegLib.comparison.results import METRICS, BenchmarkResult, BudgetTable, Figure, TableRow
from VQSegLib.comparison.table import format_csv, format_markdown


def row(name: str, rank: int | None, **changes: object) -> TableRow:
    figures = {
        metric: Figure(mean=0.5, sd=0.01, rank=rank, p_against_best=0.03 if rank == 2 else None) for metric in METRICS
    }
    values = {"name": name, "all_labels": rank is None, "labeled": 4, "seeds": (0, 1), "figures": figures}
    values |= {"missed": 1.5, "parameters": 9_449_000, "trained_parameters": 15_000_000, "seconds_per_step": 0.25}
    return TableRow.model_validate({**values, "peak_memory_mb": 812.3, "steps": 50, **changes})


RESULT = BenchmarkResult(
    data="lidc",
    unit="voxel",
    test_cases=7,
    note="Position tells a lot.",
    selection="the last ones",
    done=3,
    planned=4,
    tables=(
        BudgetTable(
            budget="5%",
            variant="plain",
            rows=(
                row("Full", None),
                row("Best", 1),
                row("Second", 2),
                row("Third", 3, seeds=(0,), figures={}, failures=("seed 1: diverged",)),
            ),
        ),
    ),
)


def cells(text: str, name: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_best_is_bold_and_the_second_underlined() -> None:
    text = format_markdown(RESULT)
    assert cells(text, "Full")[3] == "0.5000 ± 0.0100"
    assert cells(text, "Best")[3] == "**0.5000 ± 0.0100**"
    assert cells(text, "Second")[3:8] == ["<u>0.5000 ± 0.0100</u>"] * 2 + ["<u>0.50 ± 0.01</u>"] * 2 + ["0.03"]
    assert cells(text, "Third")[3:7] == ["failed"] * 4
    assert cells(text, "Best")[-4:] == ["1.5", "9.45 M", "0.250", "812"]
    assert "- Third, seed 1: diverged" in text
    assert "3 of 4 runs" in text
    assert "Position tells a lot." in text
    assert "Research use only" in text


def test_every_line_of_a_table_has_as_many_cells() -> None:
    lines = [line for line in format_markdown(RESULT).splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1


def test_programs_read_the_same_figures() -> None:
    found = list(csv.DictReader(io.StringIO(format_csv(RESULT))))
    assert [line["method"] for line in found] == ["Full", "Best", "Second", "Third"]
    assert (found[2]["dice_mean"], found[2]["dice_sd"], found[2]["dice_rank"]) == ("0.5", "0.01", "2")
    assert found[3]["dice_mean"] == ""
    assert found[0]["parameters"] == "9449000"
    assert BenchmarkResult.model_validate_json(RESULT.model_dump_json()) == RESULT
