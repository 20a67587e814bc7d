"""The tables as Markdown for people and as CSV for programs."""

from __future__ import annotations

import csv
import io

from VQSegLib.comparison.results import METRICS, BenchmarkResult, BudgetTable, Figure, TableRow

_DECIMALS = {"dice": 4, "jaccard": 4, "hd95": 2, "asd": 2}
_TITLES = {"dice": "Dice ↑", "jaccard": "Jaccard ↑", "hd95": "HD95 ↓", "asd": "ASD ↓"}
_VARIANTS = {"plain": "", "largest_component": ", largest component of each structure"}
_CSV_COST = ("parameters", "trained_parameters", "seconds_per_step", "peak_memory_mb", "steps")


def format_markdown(result: BenchmarkResult) -> str:
    """Return all tables: the best row bold, the second underlined, upper bounds out of competition."""
    lines = [
        f"# Methods on {result.data}",
        "",
        f"{result.done} of {result.planned} runs done; {result.test_cases} test cases; distances in {result.unit}; "
        f"weights: {result.selection}. A structure that is missed counts as far as the grid's diagonal. "
        "Best bold, second underlined; p: Wilcoxon signed-rank test of Dice over test cases against the best. "
        "Research use only.",
    ]
    lines += ["", result.note] if result.note else []
    for table in result.tables:
        lines += ["", f"## {table.budget} labeled{_VARIANTS[table.variant]}", "", *_format_table(table)]
    return "\n".join(lines) + "\n"


def _format_table(table: BudgetTable) -> list[str]:
    header = ["method", "labels", "seeds", *_TITLES.values(), "p", "missed", "parameters", "s/step", "peak MB"]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(_format_row(row)) + " |" for row in table.rows]
    failures = [f"- {row.name}, {text}" for row in table.rows for text in row.failures]
    return lines + (["", *failures] if failures else [])


def _format_row(row: TableRow) -> list[str]:
    cells = [_format_figure(row.figures.get(metric), _DECIMALS[metric]) for metric in METRICS]
    p = row.figures["dice"].p_against_best if row.figures else None
    return [
        row.name,
        str(row.labeled),
        str(len(row.seeds)),
        *cells,
        "" if p is None else f"{p:.2g}",
        f"{row.missed:.1f}",
        f"{row.parameters / 1e6:.2f} M",
        f"{row.seconds_per_step:.3f}",
        f"{row.peak_memory_mb:.0f}",
    ]


def _format_figure(figure: Figure | None, decimals: int) -> str:
    if figure is None:
        return "failed"
    text = f"{figure.mean:.{decimals}f}"
    if figure.sd is not None:
        text += f" ± {figure.sd:.{decimals}f}"
    if figure.rank == 1:
        return f"**{text}**"
    return f"<u>{text}</u>" if figure.rank == 2 else text


def format_csv(result: BenchmarkResult) -> str:
    """Return one line per table and row."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    figures = [f"{metric}_{part}" for metric in METRICS for part in ("mean", "sd", "rank", "p_against_best")]
    writer.writerow(["budget", "variant", "method", "labeled", "seeds", *figures, "missed", *_CSV_COST])
    for table in result.tables:
        for row in table.rows:
            cells = [
                getattr(row.figures.get(metric), part, None)
                for metric in METRICS
                for part in ("mean", "sd", "rank", "p_against_best")
            ]
            cost = [getattr(row, name) for name in _CSV_COST]
            start = [table.budget, table.variant, row.name, row.labeled, len(row.seeds)]
            writer.writerow([*start, *cells, row.missed, *cost])
    return output.getvalue()
