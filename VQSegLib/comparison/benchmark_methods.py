"""The benchmark of methods as it is asked for: open the data, run what is missing, write the tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from VQSegLib.atomic_files import write_text
from VQSegLib.comparison.data import BenchmarkData
from VQSegLib.comparison.opening import open_data
from VQSegLib.comparison.plan import BenchmarkPlan
from VQSegLib.comparison.results import BenchmarkResult
from VQSegLib.comparison.runner import OnProgress, Runner
from VQSegLib.comparison.summary import build_tables
from VQSegLib.comparison.table import format_csv, format_markdown
from VQSegLib.errors import Cancelled, UserError

_DATA_FILE = "data.json"


@dataclass(frozen=True)
class BenchmarkFiles:
    """What a benchmark wrote."""

    result: BenchmarkResult
    markdown: Path
    csv: Path
    json: Path


def benchmark_methods(
    path: Path,
    plan: BenchmarkPlan,
    output: Path,
    on_progress: OnProgress,
    cancelled: Callable[[], bool],
) -> BenchmarkFiles:
    """Train and test every row of a plan, or what is left of it, and write its tables.

    Args:
        path: Data set; see :func:`VQSegLib.comparison.opening.open_data`.
        plan: What is compared.
        output: Folder of the benchmark, made if it is missing; later calls with more rows or seeds go on in it.
        on_progress: Told how far the work is.
        cancelled: Polled before every step.

    Raises:
        Cancelled: The user stopped; tables of the finished runs are written, and the same call goes on.
        UserError: One sentence about data, plan or folder.
    """
    data = open_data(path)
    _claim(output, data)
    runner = Runner(data, plan, output, on_progress, cancelled)
    try:
        runner.run_all()
    except Cancelled as stopped:
        files = _write(runner)
        msg = (
            f"The benchmark stopped after {files.result.done} of {files.result.planned} runs; "
            "give the same command again to go on."
        )
        raise Cancelled(msg) from stopped
    return _write(runner)


def _claim(output: Path, data: BenchmarkData) -> None:
    """Make the folder, or make sure that it is the benchmark of the same data."""
    file = output / _DATA_FILE
    said = {"name": data.name, "digest": data.digest}
    if file.is_file():
        if json.loads(file.read_text(encoding="utf-8")) != said:
            msg = f"The folder '{output}' holds a benchmark of other data or another split; choose another --output."
            raise UserError(msg)
        return
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        msg = f"'{output}' exists and is no benchmark; choose a new folder with --output."
        raise UserError(msg)
    try:
        output.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps(said))
    except OSError as exc:
        msg = f"The folder '{output}' cannot be written ({exc.strerror}); choose a folder you may write to."
        raise UserError(msg) from exc


def _write(runner: Runner) -> BenchmarkFiles:
    data, plan, output = runner.data, runner.plan, runner.output
    finished = runner.finished()
    validated = bool(data.validation) and not plan.select_last
    result = BenchmarkResult(
        data=data.name,
        unit=data.unit,
        test_cases=len(data.test),
        note=data.note,
        selection="best on validation cases" if validated else "the last ones",
        done=len(finished),
        planned=len(list(plan.runs(data))),
        tables=build_tables(plan, finished),
    )
    files = BenchmarkFiles(result, output / "results.md", output / "results.csv", output / "results.json")
    write_text(files.markdown, format_markdown(result))
    write_text(files.csv, format_csv(result))
    write_text(files.json, result.model_dump_json(indent=1))
    return files
