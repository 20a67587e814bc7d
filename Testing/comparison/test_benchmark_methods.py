"""A whole benchmark of tiny networks: what it writes, and that it goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from VQSegLib.comparison import runner
from VQSegLib.comparison.benchmark_methods import BenchmarkFiles, benchmark_methods
from VQSegLib.comparison.plan import BenchmarkPlan
from VQSegLib.comparison.results import METRICS, RunResult
from VQSegLib.comparison.rows import Row
from VQSegLib.errors import Cancelled, UserError, VQSegError

ROWS = (
    Row(name="Full", method="supervised", all_labels=True),
    Row(name="Few", method="supervised"),
    Row(name="BCP", method="bcp"),
)


def build_plan(small: dict[str, Any], **changes: Any) -> BenchmarkPlan:
    values = {"rows": ROWS, "budgets": ("20%",), "seeds": (0,), "steps": 4, "values": small, **changes}
    return BenchmarkPlan(**values)


def start(
    lidc: Path, plan: BenchmarkPlan, output: Path, cancelled: Callable[[], bool] = lambda: False
) -> tuple[BenchmarkFiles, list[str]]:
    told: list[str] = []
    files = benchmark_methods(lidc, plan, output, lambda _, stage: told.append(stage), cancelled)
    return files, told


@pytest.fixture(scope="module")
def done(lidc: Path, small: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[BenchmarkFiles, Path]:
    output = tmp_path_factory.mktemp("Ergebnisse für alle") / "bench"
    return start(lidc, build_plan(small), output)[0], output


def test_all_rows_are_trained_tested_and_written(done: tuple[BenchmarkFiles, Path]) -> None:
    files, _ = done
    plain = files.result.tables[0]
    assert [row.name for row in plain.rows] == ["Full", "Few", "BCP"]
    assert [row.labeled for row in plain.rows] == [14, 3, 3]
    for row in plain.rows:
        assert set(row.figures) == set(METRICS)
        assert row.parameters > 0
        assert row.seconds_per_step > 0
        assert row.steps == 4
    assert (files.result.done, files.result.planned, files.result.test_cases) == (3, 3, 4)
    assert "| BCP |" in files.markdown.read_text(encoding="utf-8")
    assert files.csv.is_file()
    assert json.loads(files.json.read_text(encoding="utf-8"))["data"] == "lidc"


def test_the_same_call_trains_nothing_again_and_more_seeds_add_to_it(
    done: tuple[BenchmarkFiles, Path], lidc: Path, small: dict[str, Any]
) -> None:
    files, output = done
    again, told = start(lidc, build_plan(small), output)
    assert told == []
    assert again.result == files.result
    more, told = start(lidc, build_plan(small, rows=ROWS[1:2], seeds=(0, 1)), output)
    assert all("Run 2 of 2 (Few, 20% labeled, seed 1)" in stage for stage in told)
    assert more.result.tables[0].rows[0].seeds == (0, 1)


def test_a_stopped_benchmark_goes_on(lidc: Path, small: dict[str, Any], tmp_path: Path) -> None:
    plan, output = build_plan(small, rows=ROWS[1:]), tmp_path / "bench"
    steps: list[str] = []

    def tell(_: float, stage: str) -> None:
        steps.append(stage)

    with pytest.raises(Cancelled, match="1 of 2 runs"):
        benchmark_methods(lidc, plan, output, tell, lambda: any("Run 2" in stage for stage in steps))
    assert "| Few |" in (output / "results.md").read_text(encoding="utf-8")
    first = (output / "runs" / "few" / "20-percent-seed-0" / "result.json").read_bytes()
    files, _ = start(lidc, plan, output)
    assert files.result.done == 2
    assert (output / "runs" / "few" / "20-percent-seed-0" / "result.json").read_bytes() == first


def test_a_run_killed_before_its_first_state_starts_again(lidc: Path, small: dict[str, Any], tmp_path: Path) -> None:
    plan, output = build_plan(small, rows=ROWS[1:2]), tmp_path / "bench"
    files, _ = start(lidc, plan, output)
    folder = output / "runs" / "few" / "20-percent-seed-0"
    for name in ("result.json", "state.pt", "best.pt", "model.safetensors"):
        (folder / name).unlink()
    again, _ = start(lidc, plan, output)
    assert again.result.tables[0].rows[0].figures == files.result.tables[0].rows[0].figures


def test_a_run_killed_while_it_was_tested_is_only_tested_again(
    lidc: Path, small: dict[str, Any], tmp_path: Path
) -> None:
    plan, output = build_plan(small, rows=ROWS[1:2]), tmp_path / "bench"
    files, _ = start(lidc, plan, output)
    (output / "runs" / "few" / "20-percent-seed-0" / "result.json").unlink()
    again, told = start(lidc, plan, output)
    assert not any("step 4" in stage for stage in told)
    assert again.result.tables[0].rows[0].figures == files.result.tables[0].rows[0].figures


def test_a_method_that_diverges_does_not_stop_the_others(
    lidc: Path, small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = runner.Trainer.run

    def run(self: Any) -> Any:
        if self.config.method.name == "bcp":
            msg = "Training diverged: the loss is not finite."
            raise VQSegError(msg)
        return original(self)

    monkeypatch.setattr(runner.Trainer, "run", run)
    files, _ = start(lidc, build_plan(small, rows=ROWS[1:]), tmp_path / "bench")
    few, bcp = files.result.tables[0].rows
    assert few.figures
    assert bcp.figures == {}
    assert "diverged" in bcp.failures[0]
    monkeypatch.undo()
    again, told = start(lidc, build_plan(small, rows=ROWS[1:]), tmp_path / "bench")
    assert told == []
    assert again.result == files.result


def test_a_time_budget_becomes_steps_once_per_row(lidc: Path, small: dict[str, Any], tmp_path: Path) -> None:
    plan = build_plan(small, rows=ROWS[1:2], steps=None, minutes=0.002, seeds=(0, 1))
    files, told = start(lidc, plan, tmp_path / "bench")
    assert sum("measuring a step" in stage for stage in told) == 1
    kept = int((tmp_path / "bench" / "runs" / "few" / "steps.txt").read_text(encoding="utf-8"))
    assert files.result.tables[0].rows[0].steps == kept >= 1
    assert not (tmp_path / "bench" / "runs" / "few" / "probe").exists()


def test_the_last_weights_can_be_kept(lidc: Path, small: dict[str, Any], tmp_path: Path) -> None:
    files, _ = start(lidc, build_plan(small, rows=ROWS[1:2], select_last=True), tmp_path / "bench")
    assert files.result.selection == "the last ones"
    result = tmp_path / "bench" / "runs" / "few" / "20-percent-seed-0" / "result.json"
    run = RunResult.model_validate_json(result.read_bytes())
    assert (run.best_step, run.validation_dice) == (4, None)


def test_folders_of_other_things_are_left_alone(lidc: Path, small: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all my work", encoding="utf-8")
    with pytest.raises(UserError, match="is no benchmark"):
        start(lidc, build_plan(small), tmp_path)
    with pytest.raises(UserError, match="is no benchmark"):
        start(lidc, build_plan(small), tmp_path / "thesis.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_belongs_to_one_data_set(lidc: Path, small: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text('{"name": "lidc", "digest": "other"}', encoding="utf-8")
    with pytest.raises(UserError, match="other data or another split"):
        start(lidc, build_plan(small), tmp_path)


def test_a_run_of_another_length_is_not_mixed_in(
    done: tuple[BenchmarkFiles, Path], lidc: Path, small: dict[str, Any]
) -> None:
    _, output = done
    with pytest.raises(UserError, match="4 steps"):
        start(lidc, build_plan(small, steps=5), output)
