"""Reports: both sides of every ratio."""

import torch

from VQSegLib.benchmarks.machine import CLOCKS, describe_machine, measure_matrix_rate, measure_peak_gib
from VQSegLib.benchmarks.report import Bound, Figure, Ratio, Report

CPU = torch.device("cpu")


def test_the_best_repetition_counts():
    assert Figure.of("a", [3.0, 2.0, 4.0]).best == 2.0
    assert Figure.of("a", [30.0, 40.0], "%", largest_is_best=True).best == 40.0


def test_a_ratio_shows_both_sides_and_whether_its_goal_is_reached():
    slow, fast = Figure.of("slow", [6.5, 6.0]), Figure.of("fast", [1.5])
    reached, missed = Ratio.at_least("slow / fast", slow, fast, 4.0), Ratio.at_least("slow / fast", slow, fast, 4.1)
    assert reached.value == 4.0
    assert "6 s / 1.5 s = 4" in str(reached)
    assert "goal at least 4: reached" in str(reached)
    assert "goal at least 4.1: NOT reached" in str(missed)
    assert Ratio.below("slow / fast", slow, fast, 4.1).is_reached
    assert not Ratio.below("slow / fast", slow, fast, 4.0).is_reached


def test_a_bound_shows_its_figure_and_its_goal():
    assert "0.25 s  (goal below 0.3 s: reached)" in str(Bound.below(Figure.of("transfer", [0.25]), 0.3))
    assert "98 %  (goal at least 99.9 %: NOT reached)" in str(Bound.at_least(Figure.of("alike", [98.0], "%"), 99.9))


def test_a_report_names_command_and_machine_and_survives_json():
    lines = ("heading", Figure.of("a", [1.0]), Ratio.below("r", Figure.of("a", [1.0]), Figure.of("b", [2.0]), 1))
    report = Report(benchmark="b", command="vqseg benchmark b", machine=describe_machine(CPU), lines=lines)
    assert Report.model_validate_json(report.model_dump_json()) == report
    text = str(report)
    assert text.startswith("vqseg benchmark b\n")
    assert f"{torch.get_num_threads()} threads" in text
    assert "heading" in text


def test_the_machine_multiplies_and_holds_memory(monkeypatch):
    monkeypatch.setattr("VQSegLib.benchmarks.machine._SIDES", {"cpu": 64})
    monkeypatch.setattr("VQSegLib.benchmarks.machine._SECONDS", 0.01)
    assert measure_matrix_rate(CPU, torch.float32, CLOCKS["wall"]) > 0.01
    assert 0.01 < measure_peak_gib(CPU) < 1000
