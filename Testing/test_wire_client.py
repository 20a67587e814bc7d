"""The blocking client against workers that misbehave."""

from __future__ import annotations

import sys
import time

import pytest

from VQSegLib.wire import Notification, WireError
from VQSegLib.wire_client import BlockingClient, RequestFailed

ANSWER = """
import sys
from VQSegLib.wire import *
from VQSegLib.wire_decoder import Decoder
def send(message): sys.stdout.buffer.write(b"".join(bytes(part) for part in encode(message))); sys.stdout.flush()
"""


def _client(code: str, timeout_seconds: float = 20.0) -> BlockingClient:
    return BlockingClient([sys.executable, "-c", ANSWER + code], timeout_seconds=timeout_seconds)


def test_a_program_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(WireError, match="'no-such-program' was not found"):
        BlockingClient(["no-such-program"])


def test_silence_ends_after_the_time_limit() -> None:
    with _client("sys.stdin.read()", timeout_seconds=0.3) as client:
        began = time.monotonic()
        with pytest.raises(WireError, match=r"said nothing for 0\.3 seconds"):
            client.request("models/list")
        assert time.monotonic() - began < 5


def test_an_early_end_is_told_again_and_again() -> None:
    with _client("sys.exit('out of luck')") as client:
        for _ in range(3):
            with pytest.raises(WireError, match="out of luck"):
                client.request("models/list")
        assert client.close() == 1


def test_answers_may_come_in_another_order_and_between_notifications() -> None:
    code = """
send(Notification("progress", {"id": 1}))
send(Result(2, "second")); send(Failure(1, USER_ERROR, "first", "why"))
sys.stdin.read()
"""
    notes: list[Notification] = []
    with _client(code) as client:
        first, second = client.start("a"), client.start("b")
        assert client.wait(second, notes.append) == "second"
        with pytest.raises(RequestFailed, match="first") as failed:
            client.wait(first)
    assert failed.value.detail == "why"
    assert notes == [Notification("progress", {"id": 1})]


def test_a_worker_that_does_not_understand_does_not_leave_us_waiting() -> None:
    client = _client("send(Failure(None, PARSE_ERROR, 'Pardon?')); sys.stdin.read()")
    with client, pytest.raises(RequestFailed, match="Pardon"):
        client.request("models/list")


def test_a_damaged_answer_fails_its_request() -> None:
    code = """
body = b'{"jsonrpc":"2.0","id":1,"result":{"attachment":0,"dtype":"<i2","shape":[9]}}'
header = b"Content-Length: %d\\r\\nAttachment-Lengths: 2\\r\\n\\r\\n" % len(body)
sys.stdout.buffer.write(header + body)
sys.stdout.flush()
sys.stdin.read()
"""
    with _client(code) as client, pytest.raises(RequestFailed, match="needs 18 bytes"):
        client.request("models/list")


def test_a_worker_that_will_not_end_is_killed() -> None:
    client = _client("import time; time.sleep(60)")
    assert client.close(timeout_seconds=0.2) != 0
