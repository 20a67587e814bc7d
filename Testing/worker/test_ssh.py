"""`ssh HOST vqseg worker` against a real OpenSSH server that the tests start on the loopback."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest

from VQSegLib.wire import PROTOCOL, WireError
from VQSegLib.wire_client import BlockingClient
from VQSegLib.wire_command import find_remote_host
from worker_process import ROOT, send, to_label_map

SSHD = shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="Windows runs its OpenSSH server as a service"),
    pytest.mark.skipif(SSHD is None, reason="no OpenSSH server (sshd) is installed; apt-get install openssh-server"),
    pytest.mark.skipif(shutil.which("ssh") is None, reason="no OpenSSH client (ssh) is installed"),
]


@dataclass(frozen=True)
class Server:
    """A running server and how to reach it.

    Attributes:
        folder: Keys and configuration.
        port: Port on the loopback.
        bin: Folder that the server's programs are found in first.
    """

    folder: Path
    port: int
    bin: Path

    def command(self, *words: str, **options: object) -> list[str]:
        """Return an ssh command for the host ``gpu01``; options replace those of the user's ssh configuration."""
        config = {
            "HostName": "127.0.0.1",
            "Port": self.port,
            "User": getpass.getuser(),
            "IdentityFile": self.folder / "client",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "UserKnownHostsFile": self.folder / "known_hosts",
            "GlobalKnownHostsFile": "/dev/null",
            **options,
        }
        file = self.folder / f"config-{abs(hash(tuple(map(str, config.values()))))}"
        lines = "\n".join(f'  {name} "{value}"' for name, value in config.items())
        file.write_text(f"Host gpu01\n{lines}\n", encoding="utf-8")
        return ["ssh", "-F", str(file), "gpu01", *(words or ("vqseg", "worker"))]


def _make_key(path: Path) -> str:
    """Make a key pair without a passphrase; return the public half."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path.with_suffix(".pub").read_text(encoding="utf-8").strip()


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _configure(folder: Path, port: int, programs: Path) -> Path:
    config = folder / "sshd_config"
    path = os.pathsep.join([str(programs), "/usr/bin", "/bin"])
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized_keys\n"
        f"PidFile {folder}/sshd.pid\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        f"KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nSetEnv PATH={path}\n",
        encoding="utf-8",
    )
    return config


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An OpenSSH server with a host key of its own that knows one key."""
    folder, port = tmp_path_factory.mktemp("ssh"), _find_free_port()
    programs = folder / "bin"
    programs.mkdir()
    program = programs / "vqseg"
    program.write_text(
        f"#!/bin/sh\necho 'Welcome to gpu01'\necho $$ > {shlex.quote(str(folder / 'worker.pid'))}\n"
        f'PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -m VQSegLib.cli "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    host, _, _ = _make_key(folder / "host").rpartition(" ")
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host}\n", encoding="utf-8")
    (folder / "authorized_keys").write_text(_make_key(folder / "client") + "\n", encoding="utf-8")
    _make_key(folder / "stranger")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    log = (folder / "sshd.log").open("wb")
    process = subprocess.Popen([str(SSHD), "-D", "-e", "-f", _configure(folder, port, programs)], stderr=log)
    try:
        _wait_for(port, process, folder / "sshd.log")
        yield Server(folder, port, programs)
    finally:
        process.terminate()
        process.wait(10)
        log.close()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    pytest.skip(f"the OpenSSH server does not start here: {log.read_text(errors='replace').strip()[-300:]}")


def test_a_scan_is_segmented_on_another_host_as_it_is_here(server: Server, tiny_model: Path) -> None:
    from VQSegLib.inference.predictor import Predictor
    from VQSegLib.models.checkpoint import load_checkpoint
    from VQSegLib.volume import Volume

    array = np.random.default_rng(1).integers(-1000, 1000, (4, 20, 24), dtype=np.int16)
    here = Predictor(load_checkpoint(tiny_model)).predict(Volume(array, np.eye(4))).label_map.array
    command = server.command()
    assert find_remote_host(command) == "gpu01"
    with BlockingClient(command) as client:
        hello = client.request("initialize", {"client": "test", "protocol": PROTOCOL})
        assert hello["host"] == socket.gethostname()
        volume = send(client, array, np.eye(4).tolist())
        answer = client.request("segment", {"volume": volume, "model": str(tiny_model)})
        assert [bad.text for bad in client.skipped] == [b"Welcome to gpu01\n"]
    np.testing.assert_array_equal(to_label_map(answer, here.shape), here)
    assert here.any()


def _is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("end", [subprocess.Popen.kill, lambda process: process.stdin.close()], ids=["kill", "close"])
def test_the_remote_worker_ends_with_the_connection(
    server: Server, end: Callable[[subprocess.Popen[bytes]], None]
) -> None:
    with BlockingClient(server.command()) as client:
        client.request("models/list")
        pid = int((server.folder / "worker.pid").read_text(encoding="utf-8"))
        assert not _is_gone(pid)
        end(client.process)
        for _ in range(100):
            if _is_gone(pid):
                return
            time.sleep(0.05)
        pytest.fail("the remote worker is still there")


def _sentence(command: list[str]) -> str:
    """Return what the user reads when the worker cannot be started."""
    with BlockingClient(command) as client, pytest.raises(WireError) as failed:
        client.request("models/list")
    assert "\n" not in str(failed.value)
    return str(failed.value)


def test_a_refused_key_is_one_sentence(server: Server) -> None:
    sentence = _sentence(server.command(IdentityFile=server.folder / "stranger"))
    assert "'gpu01' refused the login" in sentence


def test_an_unknown_host_key_is_one_sentence_and_is_not_accepted(server: Server) -> None:
    empty = server.folder / "nobody known"
    sentence = _sentence(server.command(UserKnownHostsFile=empty))
    assert "key of the host 'gpu01' is unknown" in sentence
    assert not empty.exists()


def test_a_changed_host_key_is_one_sentence(server: Server) -> None:
    _, kind, _ = (server.folder / "known_hosts").read_text(encoding="utf-8").split()
    _, other, _ = (server.folder / "stranger.pub").read_text(encoding="utf-8").split()
    changed = server.folder / "changed"
    changed.write_text(f"[127.0.0.1]:{server.port} {kind} {other}\n", encoding="utf-8")
    sentence = _sentence(server.command(UserKnownHostsFile=changed))
    assert "'gpu01' is unknown here or has changed" in sentence


def test_a_key_with_a_passphrase_does_not_wait_for_a_question(server: Server) -> None:
    locked = server.folder / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", locked], check=True)
    assert "refused the login" in _sentence(server.command(IdentityFile=locked))


def test_a_host_where_nothing_listens_is_one_sentence(server: Server) -> None:
    assert "'gpu01' cannot be reached" in _sentence(server.command(Port=_find_free_port()))


def test_an_unknown_host_is_one_sentence(server: Server) -> None:
    assert "no host named 'gpu01'" in _sentence(server.command(HostName="no-such-host.invalid"))


def test_a_host_without_vqseg_is_one_sentence(server: Server) -> None:
    assert "'vqseg-is-not-here' was not found on 'gpu01'" in _sentence(server.command("vqseg-is-not-here", "worker"))
