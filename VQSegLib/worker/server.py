"""Which thread serves what, and how a request fails.

The thread that reads stdin only registers requests, cancels them and passes them on; it never computes, so that cancel
and the end of the stream are noticed at once. The quick lane takes every request in the order it came: scans are
complete before the request that uses them. Long requests then go to a lane of their own, one at a time; what may run
beside them has two others: one scan that is stored or opened does not wait until a whole folder was added.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from VQSegLib.documents import describe_validation_error
from VQSegLib.errors import Cancelled, UserError
from VQSegLib.failure_log import describe_failure
from VQSegLib.wire import (
    BUSY,
    CANCELLED,
    FAULT,
    INVALID_PARAMS,
    INVALID_REQUEST,
    UNKNOWN_METHOD,
    USER_ERROR,
    BadFrame,
    Failure,
    Notification,
    Received,
    Request,
)
from VQSegLib.worker.job import Job
from VQSegLib.worker.outgoing import Outgoing
from VQSegLib.worker.requests import Requests
from VQSegLib.worker.scan_requests import LongRequest

logger = logging.getLogger(__name__)
_PULSE_SECONDS = 0.5


class Server:
    """Serves requests until it is stopped."""

    def __init__(self, requests: Requests, outgoing: Outgoing) -> None:
        """Start the threads.

        Args:
            requests: What can be asked.
            outgoing: Where answers go.
        """
        self._requests, self._outgoing = requests, outgoing
        self._jobs: dict[int | str, Job] = {}
        self._queued_jobs: list[Job] = []
        self._lock = threading.Lock()
        self._start_lane, self._quick_lane, self._long_lane, self._handover_lane, self._background_lane = (
            Lane(name) for name in ("start", "quick", "long", "handover", "background")
        )
        threading.Thread(target=self._pulse, name="pulse", daemon=True).start()

    def warm_up(self, load: Callable[[], object]) -> None:
        """Load heavy packages before the first request needs them; a failure shows when it does."""

        def attempt() -> None:
            try:
                load()
            except (ImportError, OSError, RuntimeError):
                logger.exception("The heavy packages could not be loaded.")

        Lane("warm").submit(attempt)

    def receive(self, message: Received) -> None:
        """Take a message; returns at once."""
        if isinstance(message, BadFrame):
            logger.warning("%s", message.reason)
            self._outgoing.send(Failure(message.id, message.code, message.reason))
        elif isinstance(message, Request):
            self._accept(message)
        elif isinstance(message, Notification) and message.method == "cancel":
            self._cancel(message.params.get("id"))

    def _accept(self, request: Request) -> None:
        job = Job(request, self._outgoing.send)
        with self._lock:
            is_taken = request.id in self._jobs
            if not is_taken:
                self._jobs[request.id] = job
        if is_taken:
            sentence = f"A request with id {request.id!r} is under way; use another id."
            job.answer(Failure(request.id, INVALID_REQUEST, sentence))
            return
        lane = self._start_lane if request.method in self._requests.slow_start else self._quick_lane
        lane.submit(lambda: self._serve(job))

    def _cancel(self, request_id: object) -> None:
        job = self._jobs.get(request_id) if isinstance(request_id, int | str) else None
        if job is not None:
            job.cancel()

    def _serve(self, job: Job) -> None:
        method = job.request.method
        quick = self._requests.quick.get(method) or self._requests.slow_start.get(method)
        if quick is not None:
            self._run(job, lambda: quick(job.request.params))
        elif method in self._requests.long:
            self._serve_long(job)
        elif method in self._requests.handover:
            self._queue(job, self._requests.handover[method], self._handover_lane)
        elif method in self._requests.background:
            self._queue(job, self._requests.background[method], self._background_lane)
        else:
            known = ", ".join(self._requests.names())
            self._end(job, Failure(job.request.id, UNKNOWN_METHOD, f"Unknown request '{method}'; known are {known}."))

    def _serve_long(self, job: Job) -> None:
        with self._lock:
            long = [other for other in self._queued_jobs if other.request.method in self._requests.long]
            running = next((other for other in long if not other.is_cancelled()), None)
        if running is not None:
            sentence = f"The engine is busy with another request ({running.request.method}); wait for it or cancel it."
            self._end(job, Failure(job.request.id, BUSY, sentence))
            return
        self._queue(job, self._requests.long[job.request.method], self._long_lane)

    def _queue(self, job: Job, request: LongRequest, lane: Lane) -> None:
        try:
            work = request(job.request.params)
        except Exception as error:  # as in _run
            self._end(job, describe_error(error, job.request))
            return
        with self._lock:
            self._queued_jobs.append(job)
        job.report(0.0, "Waiting")
        lane.submit(lambda: self._run_long(job, lambda: work(job)))

    def _run_long(self, job: Job, work: Callable[[], Any]) -> None:
        started = time.perf_counter()
        try:
            if not job.is_cancelled():
                self._run(job, work)
        finally:
            with self._lock:
                self._queued_jobs.remove(job)
                self._jobs.pop(job.request.id, None)
        state = "cancelled" if job.is_cancelled() else "ended"
        logger.info("%s %s after %.1f s", job.request.method, state, time.perf_counter() - started)

    def _run(self, job: Job, work: Callable[[], Any]) -> None:
        try:
            result = work()
        except Exception as error:  # The last resort: whatever happens, the request is answered and the worker lives.
            self._end(job, describe_error(error, job.request))
            return
        with self._lock:
            self._jobs.pop(job.request.id, None)
        job.succeed(result)

    def _end(self, job: Job, failure: Failure) -> None:
        with self._lock:
            self._jobs.pop(job.request.id, None)
        job.answer(failure)

    def _pulse(self) -> None:
        """Repeat the progress of requests that take long, so that silence always means trouble."""
        while True:
            time.sleep(_PULSE_SECONDS)
            with self._lock:
                waiting = list(self._queued_jobs)
            for job in waiting:
                if self._outgoing.is_idle:
                    job.repeat()


class Lane:
    """A thread that works calls off in order."""

    def __init__(self, name: str) -> None:
        """Start the thread."""
        self._calls: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def submit(self, call: Callable[[], object]) -> None:
        """Queue a call."""
        self._calls.put(call)

    def _work(self) -> None:
        while True:
            self._calls.get()()


def describe_error(error: Exception, request: Request) -> Failure:
    """Return the failure for whatever a request raised; anything not meant for the user is a fault of ours."""
    if isinstance(error, ValidationError):
        return Failure(request.id, INVALID_PARAMS, describe_validation_error(error, f"Request {request.method}"))
    if isinstance(error, Cancelled):
        return Failure(request.id, CANCELLED, str(error))
    if isinstance(error, UserError):
        return Failure(request.id, USER_ERROR, str(error))
    if isinstance(error, MemoryError):
        sentence = "Memory is not enough for this request; close other programs, crop the scan or use another machine."
        return Failure(request.id, USER_ERROR, sentence)
    if isinstance(error, ImportError):
        sentence = f"The engine is incomplete: the package '{error.name}' is missing; repair it."
        return Failure(request.id, USER_ERROR, sentence, str(error))
    private = [value for value in request.params.values() if isinstance(value, str)]
    detail = describe_failure(error, request.method, private)
    logger.error("%s", detail)
    sentence = f"VQSeg failed through a fault of its own ({type(error).__name__}); please report it with the log."
    return Failure(request.id, FAULT, sentence, detail)
