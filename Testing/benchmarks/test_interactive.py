"""The interactive benchmark, with a real worker and a tiny model."""

import pytest

from VQSegLib.benchmarks import interactive
from VQSegLib.benchmarks.interactive import InteractiveSettings, benchmark_interactive
from VQSegLib.benchmarks.report import Ratio
from VQSegLib.service import Service


@pytest.fixture
def tiny_report(monkeypatch, tiny_model, small_scan):
    labels = Service().show_model(str(tiny_model)).labels
    contours = small_scan.with_array((small_scan.array > 0).astype("uint8") * labels.values[0])
    monkeypatch.setattr(interactive, "MODEL_NAME", str(tiny_model))
    monkeypatch.setattr(interactive, "load_demo_scan", lambda: small_scan)
    monkeypatch.setattr(interactive, "load_demo_label_map", lambda: contours)
    settings = InteractiveSettings(repeats=1, transfer_shape_kji=(6, 64, 64), clinical_shape_kji=None)
    return benchmark_interactive(settings)


def test_everything_a_user_waits_for_is_reported(tiny_report):
    text = str(tiny_report)
    for what in (
        "worker started first",
        "first click to mask",
        "click to mask",
        "of 8 decodes drawn",
        "refine from 2 corrected slices",
        "cancel answered after",
        "takes up the next request",
        "segment beside a fine-tuning run",
        "64x64x6 CT int16 to the worker",
        "64x64x6 CT int16 from a worker",
    ):
        assert what in text
    (ratio,) = [line for line in tiny_report.lines if isinstance(line, Ratio)]
    assert str(ratio.numerator.best)[:3] in text
    assert "uncertainty / segment" in ratio.name
