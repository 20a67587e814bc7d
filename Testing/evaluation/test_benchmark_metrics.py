"""Speed against medpy."""

import sys

import pytest

from VQSegLib.errors import UserError
from VQSegLib.evaluation.benchmark_metrics import benchmark_metrics, build_organ_pair, main


def test_faster_than_medpy_with_the_same_numbers() -> None:
    timing = benchmark_metrics((60, 128, 128))
    assert timing.ratio > 3.0
    assert timing.largest_difference < 1e-6
    assert "128x128x60 voxels" in str(timing)
    assert "times faster" in str(timing)


@pytest.mark.slow
def test_faster_than_medpy_on_a_ct_sized_pair() -> None:
    assert benchmark_metrics().ratio > 20.0


def test_the_two_masks_are_not_the_same() -> None:
    prediction, reference = build_organ_pair((30, 40, 50))
    assert prediction.shape == reference.shape == (30, 40, 50)
    assert prediction.any()
    assert (prediction != reference).any()


def test_missing_medpy_is_one_sentence(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "medpy.metric.binary", None)
    with pytest.raises(UserError, match=r"medpy, which is not installed: run pip install 'vqseg\[test\]'"):
        benchmark_metrics((4, 4, 4))
    with pytest.raises(SystemExit, match="medpy, which is not installed"):
        main()


def test_module_says_both_times(monkeypatch, caplog) -> None:
    monkeypatch.setattr(benchmark_metrics, "__defaults__", ((20, 32, 32),))
    with caplog.at_level("INFO"):
        main()
    assert "VQSeg" in caplog.text
    assert "medpy" in caplog.text
