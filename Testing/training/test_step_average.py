"""Means over the steps of an interval."""

from __future__ import annotations

import pytest

from VQSegLib.training.step_average import StepAverage


def test_means_come_at_the_end_of_each_interval() -> None:
    average = StepAverage(2)
    assert average.add({"loss/total": 1.0, "rare": 5.0}) is None
    means = average.add({"loss/total": 3.0})
    assert means is not None
    assert means.pop("seconds_per_step") >= 0
    assert means == {"loss/total": 2.0, "rare": 5.0}
    assert average.add({"loss/total": 7.0}) is None
    assert average.add({"loss/total": 9.0})["loss/total"] == 8


@pytest.mark.parametrize("stop_after", [0, 1, 2])
def test_an_interval_goes_on_where_another_process_stopped(stop_after: int) -> None:
    values = [{"loss/total": 1.0, "rare": 2.0}, {"loss/total": 4.0}, {"loss/total": 7.0}]
    first, second = StepAverage(3), StepAverage(3)
    for value in values[:stop_after]:
        assert first.add(value) is None
    second.load_state(first.state())
    results = [second.add(value) for value in values[stop_after:]]
    assert results[:-1] == [None] * (2 - stop_after)
    assert results[-1]["loss/total"] == 4
    assert results[-1]["rare"] == 2
