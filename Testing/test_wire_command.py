"""Command lines that start a worker: host, batch mode, and why the start failed."""

from __future__ import annotations

import subprocess

import pytest

from VQSegLib.wire_command import describe_start_failure, find_remote_host, prepare_command


@pytest.mark.parametrize(
    ("command", "host"),
    [
        (["ssh", "gpu01", "vqseg", "worker"], "gpu01"),
        (["/usr/bin/ssh", "-p", "22", "-i", "key", "-oBatchMode=no", "-vT", "ann@gpu01", "vqseg worker"], "gpu01"),
        ([r"C:\Windows\System32\OpenSSH\ssh.EXE", "-p22", "gpu01", "vqseg"], "gpu01"),
        (["ssh", "ssh://ann@gpu01:2222/", "vqseg", "worker"], "gpu01"),
        (["ssh", "-p", "22"], None),
        (["srun", "--gres=gpu:1", "vqseg", "worker"], None),
        (["/opt/ssh tools/python", "-m", "VQSegLib.worker"], None),
        ([], None),
    ],
)
def test_the_host_is_found(command: list[str], host: str | None) -> None:
    assert find_remote_host(command) == host


def test_ssh_is_put_into_batch_mode_whatever_the_user_wrote() -> None:
    prepared = prepare_command(["ssh", "-o", "BatchMode=no", "gpu01", "vqseg", "worker"])
    assert prepared.index("BatchMode=yes") < prepared.index("BatchMode=no")
    assert prepared[-3:] == ["gpu01", "vqseg", "worker"]
    assert find_remote_host(prepared) == "gpu01"


def test_any_other_command_stays_as_it_is() -> None:
    command = ["srun", "ssh", "-m", "x"]
    assert prepare_command(command) == command


SSH = ["ssh", "gpu01", "vqseg", "worker"]
LOCAL = ["/opt/my engine/python", "-m", "VQSegLib.worker"]


@pytest.mark.parametrize(
    ("command", "status", "stderr", "words"),
    [
        (SSH, 255, "ann@gpu01: Permission denied (publickey,password).", "'gpu01' refused the login"),
        (
            SSH,
            255,
            "No ED25519 host key is known for gpu01 and\nHost key verification failed.",
            "key of the host 'gpu01'",
        ),
        (SSH, 255, "ssh: Could not resolve hostname gpu01: Name or service not known", "no host named 'gpu01'"),
        (SSH, 255, "ssh: connect to host gpu01 port 22: Connection refused", "'gpu01' cannot be reached"),
        (SSH, 255, "Timeout, server gpu01 not responding.", "'gpu01' cannot be reached"),
        (SSH, 127, "bash: line 1: vqseg: command not found", "'vqseg' was not found on 'gpu01'"),
        (["ssh", "gpu01"], 0, "bye\nlogout", "'logout'"),
        (SSH, 1, "ModuleNotFoundError: No module named 'torch'", "on 'gpu01' is incomplete: the package 'torch'"),
        (SSH, 137, "", "on 'gpu01' was ended from outside"),
        (LOCAL, 1, "/opt/my engine/python: No module named VQSegLib", "package 'VQSegLib' is missing"),
        (LOCAL, 1, "ImportError: libtorch.so: cannot open shared object file", "(libtorch.so: cannot open"),
        (LOCAL, 1, "OSError: [WinError 126] Error loading c10.dll. DLL missing", "does not fit this system"),
        (LOCAL, -9, "", "ended from outside"),
        (LOCAL, None, "", "'/opt/my engine/python' was not found"),
        (LOCAL, 3, "one\n\n last words \n", "(status 3) and said 'last words'"),
        (LOCAL, 0, "", "ended at once (status 0); see its log"),
    ],
)
def test_an_early_end_is_one_sentence(command: list[str], status: int | None, stderr: str, words: str) -> None:
    sentence = describe_start_failure(command, status, stderr)
    assert words in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


def test_braces_in_what_a_program_says_do_no_harm() -> None:
    assert "{x}" in describe_start_failure(["{y}"], 1, "weird {x}")
    assert "{y}" in describe_start_failure(["{y}"], None, "{x}")


def test_ssh_itself_accepts_the_options() -> None:
    try:
        result = subprocess.run([*prepare_command(["ssh", "-G", "gpu01"])], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no OpenSSH client (ssh) is installed")
    assert result.returncode == 0, result.stderr
    assert {"batchmode yes", "requesttty false"} <= set(result.stdout.splitlines())
