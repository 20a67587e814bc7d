"""The benchmark of growth, and the pictures."""

import pytest

from VQSegLib.benchmarks import growth
from VQSegLib.benchmarks.growth import Growth, GrowthSettings, describe_growth, measure_growth
from VQSegLib.benchmarks.machine import describe_machine
from VQSegLib.benchmarks.plots import check_plot, save_growth, save_ratios
from VQSegLib.benchmarks.report import Figure, Ratio, Report
from VQSegLib.errors import UserError
from VQSegLib.inference.device import resolve_device

PNG = b"\x89PNG"


def test_each_length_is_segmented(monkeypatch, in_this_process):
    monkeypatch.setattr(growth, "run_in_own_process", in_this_process)
    settings = GrowthSettings(slices=(4, 8), side=32, device="cpu")
    measured = measure_growth(settings)
    assert measured.slices == (4, 8)
    assert min(measured.seconds) > 0
    report = str(describe_growth(measured, settings))
    assert "8 slices: peak memory beyond scan and mask" in report


def test_the_long_scan_repeats_the_patient():
    volume = growth._repeat(300, 16)
    assert volume.shape_kji == (300, 16, 16)
    assert (volume.array[63] == volume.array[64]).all()
    assert (volume.array[0] == volume.array[128]).all()


def test_a_line_that_bends_is_noticed():
    settings = GrowthSettings()
    straight = Growth((64, 128, 256, 512, 1024), (1.1, 2.0, 3.9, 8.0, 16.2), (0.5,) * 5)
    bent = Growth((64, 128, 256, 512, 1024), (1.0, 2.0, 4.0, 8.0, 64.0), (0.5,) * 5)
    assert "NOT" not in str(describe_growth(straight, settings))
    assert "NOT reached" in str(describe_growth(bent, settings))


def test_pictures_are_drawn(tmp_path):
    machine = describe_machine(resolve_device("cpu"))
    ratio = Ratio.at_least("slow / fast", Figure.of("slow", [4.0]), Figure.of("fast", [1.0]), 2)
    report = Report(benchmark="b", command="c", machine=machine, lines=(ratio,))
    save_ratios(report, tmp_path / "Bild ü.png")
    save_growth(Growth((1, 2), (1.0, 2.0), (0.1, 0.1)), tmp_path / "growth.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Bild ü.png", "growth.png"]
    assert all(path.read_bytes().startswith(PNG) for path in tmp_path.iterdir())


def test_a_picture_that_cannot_be_written_is_refused_at_once(tmp_path, run_cli, assert_mistake, monkeypatch):
    assert_mistake(run_cli("benchmark", "perturbation", "--plot", tmp_path / "plot.pdf"), ".png")
    assert_mistake(run_cli("benchmark", "growth", "--plot", tmp_path / "nowhere" / "plot.png"), "does not exist")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError, match="matplotlib"):
        check_plot(tmp_path / "plot.png")
