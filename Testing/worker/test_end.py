"""When a worker ends, and that none is left over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from VQSegLib.wire import Request, WireError, encode
from worker_process import ALTERED, ROOT, SLEEP, WORKER, posix_only, send, start, wait_until


def test_vqseg_worker_is_the_same_door_and_shutdown_ends_it() -> None:
    with start([sys.executable, "-m", "VQSegLib.cli", "worker"]) as client:
        assert "models" in client.request("models/list")
        assert client.request("shutdown") == {}
        assert client.process.wait(5) == 0
        with pytest.raises(WireError, match="ended"):
            client.request("models/list")


@pytest.mark.parametrize("is_busy", [False, True])
def test_it_ends_when_stdin_closes(tiny_model: Path, is_busy: bool) -> None:
    with start([sys.executable, "-c", ALTERED]) as client:
        volume = send(client, np.zeros((3, 3, 3), "<i2"))
        if is_busy:
            client.start("segment", {"volume": volume, "model": str(tiny_model), "device": SLEEP})
            time.sleep(0.3)
        began = time.monotonic()
        assert client.close() == 0
        assert time.monotonic() - began < 2.0


@posix_only
def test_it_ends_when_nobody_reads_its_answers() -> None:
    process = subprocess.Popen(WORKER, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.close()
    process.stdin.write(b"".join(bytes(part) for part in encode(Request(1, "models/list"))))
    process.stdin.flush()
    assert process.wait(20) == 0
    process.communicate()


def is_running(pid: int) -> bool:
    """Whether a process lives; one that is dead and not yet collected does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


PARENT = """
import sys, time
import numpy as np
from worker_process import ALTERED, SLEEP, send, start
client = start([sys.executable, "-c", ALTERED])
volume = send(client, np.zeros((3, 3, 3), "<i2"))
if sys.argv[1] == "busy":
    client.start("segment", {"volume": volume, "model": sys.argv[2], "device": SLEEP.replace("3", "30")})
print(client.process.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("is_busy", [False, True])
def test_no_orphan_is_left_when_the_parent_is_killed(tiny_model: Path, is_busy: bool) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "Testing" / "worker")])}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, "busy" if is_busy else "idle", str(tiny_model)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    time.sleep(0.3)
    assert is_running(pid)
    parent.kill()
    parent.communicate()
    assert wait_until(lambda: not is_running(pid), 3.0)


@posix_only
def test_no_orphan_is_left_when_another_process_keeps_the_pipe_open() -> None:
    code = """
        import subprocess, sys, time
        stdin, stdout = int(sys.argv[1]), int(sys.argv[2])
        worker = subprocess.Popen([sys.executable, "-m", "VQSegLib.worker"], stdin=stdin, stdout=stdout)
        print(worker.pid, flush=True)
        time.sleep(60)
    """
    stdin, held = os.pipe()
    answers, stdout = os.pipe()
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(stdin), str(stdout)],
        cwd=ROOT,
        pass_fds=(stdin, stdout),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    for part in encode(Request(1, "models/list")):
        os.write(held, part)
    assert os.read(answers, 100).startswith(b"Content-Length")
    parent.kill()
    parent.communicate()
    try:
        assert wait_until(lambda: not is_running(pid), 4.0)
    finally:
        for fd in (stdin, stdout, held, answers):
            os.close(fd)


def test_a_worker_killed_in_the_middle_is_one_sentence(tiny_model: Path) -> None:
    with start([sys.executable, "-c", ALTERED]) as client:
        volume = send(client, np.zeros((3, 3, 3), "<i2"))
        number = client.start("segment", {"volume": volume, "model": str(tiny_model), "device": SLEEP})
        time.sleep(0.2)
        os.kill(client.process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        with pytest.raises(WireError, match="ended") as failed:
            client.wait(number)
        assert "\n" not in str(failed.value)
