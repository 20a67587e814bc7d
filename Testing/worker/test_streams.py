"""Nothing gets between the messages, and a damaged one ends nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from VQSegLib import wire
from VQSegLib.wire import Failure, Notification
from VQSegLib.wire_client import BlockingClient, RequestFailed
from worker_process import ROOT, posix_only, start, wait_until


def test_bad_frames_are_answered_and_the_worker_goes_on() -> None:
    damaged = [
        b"Traceback (most recent call last)\n",
        b"Content-Length: 2\r\n\r\n{]",
        b"Content-Length: 99999999999\r\n\r\n",
        b'Content-Length: 46\r\nAttachment-Lengths: 9000000\r\n\r\n{"jsonrpc":"2.0","id":77,"method":"models/list"}',
        b"Content-Length: 5000\r\n\r\n{",
    ]
    with start() as client:
        for data in damaged:
            client.send_bytes([data])
            number = client.start("models/list")  # a frame that is cut short is noticed by what follows it
            with pytest.raises(RequestFailed) as failed:
                client.wait(number)
            assert failed.value.code in (wire.PARSE_ERROR, wire.INVALID_REQUEST)
            assert "models" in client.wait(number)
        client.send(Notification("unknown"))
        client.send(Notification("cancel", {"id": [1]}))
        client.send(Failure(3, 4, "nobody asked"))
        assert "models" in client.request("models/list")
        client.send_bytes([b"Content-Length: 5000\r\n\r\n{"])
        assert client.close() == 0


def give_up_after(seconds: float) -> Callable[[Notification], None]:
    """Return a listener that fails the test when a request goes on for too long although progress still comes."""
    ends = time.monotonic() + seconds

    def listen(_: Notification) -> None:
        assert time.monotonic() < ends

    return listen


def test_nothing_a_library_prints_gets_between_the_messages(
    worker: BlockingClient, small: str, tiny_model: Path
) -> None:
    noise = """do:
print("from print")
os.write(1, b"from a file descriptor\\n")
os.system("echo from a child" if os.name == "nt" else "echo from a child; cat")
sys.stdin.read()
if os.name == "posix":
    ctypes.CDLL(None).puts(b"from C")
    ctypes.CDLL(None).fflush(None)
"""
    request = {"volume": small, "model": str(tiny_model), "device": noise.replace("do:\n", "do: \n")}
    assert worker.request("segment", request, give_up_after(20))["labels"]
    # What is printed before the worker's first line cannot be kept out, as a login banner; it is skipped.
    assert [bad.text.strip() for bad in worker.skipped] == [b"before the start"]
    expected = ["from print", "from a file descriptor", "from a child"] + ["from C"] * (os.name == "posix")
    assert wait_until(lambda: all(line in worker.log for line in expected), 2.0), worker.log


def test_stdout_is_taken_before_anything_heavy_is_imported() -> None:
    code = """
        import sys
        import VQSegLib.worker, VQSegLib.worker.main as main
        def take():
            heavy = {"torch", "numpy", "pydantic", "SimpleITK", "monai", "scipy", "typer"} & set(sys.modules)
            raise SystemExit(f"imported: {sorted(heavy)}")
        main.take_standard_streams = take
        main.run()
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.stderr.strip() == "imported: []"


@posix_only
@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_a_closed_stream_is_one_sentence(closed: str) -> None:
    command = f"exec '{sys.executable}' -m VQSegLib.worker {closed}"
    result = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "one of them is closed" in result.stderr
    assert len(result.stderr.splitlines()) == 1
