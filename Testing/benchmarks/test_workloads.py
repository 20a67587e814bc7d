"""What the benchmark of inference segments."""

import pytest

from VQSegLib.benchmarks.workloads import build_workload


@pytest.mark.parametrize(("name", "side"), [("released", 224), ("released-518", 518)])
def test_windows_of_the_released_architecture_are_whole_slices(name, side):
    model, scan = build_workload(name, 2)
    assert model.preprocessing.patch_size == (side, side)
    assert scan.shape_kji == (2, side, side)


def test_large_slices_are_few_unless_more_are_asked_for():
    assert len(build_workload("released-518")[1].array) == 8
    assert len(build_workload("released-518", 9)[1].array) == 9
