"""A request is answered once, and what it says of itself is true."""

from __future__ import annotations

import pytest

from VQSegLib.errors import Cancelled
from VQSegLib.wire import CANCELLED, Failure, Message, Request, Result
from VQSegLib.worker.job import Job


@pytest.fixture
def sent() -> list[Message]:
    """What was sent."""
    return []


@pytest.fixture
def job(sent: list[Message]) -> Job:
    """A request under way."""
    return Job(Request(7, "cases/add", {}), sent.append)


def test_request_that_is_stopped_changes_nothing(job: Job, sent: list[Message]) -> None:
    job.cancel()
    with pytest.raises(Cancelled, match="nothing was changed"):
        job.begin_last_step()
    job.succeed({})
    assert sent == [Failure(7, CANCELLED, "Stopped as asked; nothing was changed.")]


def test_last_step_cannot_be_stopped(job: Job, sent: list[Message]) -> None:
    job.begin_last_step()
    job.cancel()
    assert not job.is_cancelled()
    job.succeed({"case": 1})
    assert sent == [Result(7, {"case": 1})]


def test_work_that_keeps_what_it_did_says_so(job: Job, sent: list[Message]) -> None:
    job.when_cancelled = "The scans added until then stay."
    job.cancel()
    assert sent == [Failure(7, CANCELLED, "The scans added until then stay.")]
