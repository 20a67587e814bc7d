"""The command line that starts a worker: where it runs, how to start it without a terminal, and why it failed.

Standard library only and clean for Python 3.9.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import List, Optional, Sequence

_BATCH_OPTIONS = ["-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=15"]
"""No terminal, so no question can be answered; a dead link is noticed within a minute."""
_SSH_OPTIONS_WITH_VALUE = set("BbcDEeFIiJLlmOoPpQRSWw")
_KILLED_IN_A_SHELL = {128 + 9, 128 + 15}

_SSH_REASONS = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed|No \S+ host key is known",
        "The key of the host '{host}' is unknown here or has changed; run `ssh {host}` once in a terminal, compare the "
        "key with the one its administrator gives, then try again.",
    ),
    (
        r"Permission denied \(|Too many authentication failures|no mutual signature",
        "The host '{host}' refused the login; a key without a passphrase prompt is needed (an agent may hold it), "
        "since no password can be typed here: try `ssh -o BatchMode=yes {host}` in a terminal.",
    ),
    (
        r"Could not resolve hostname|Name or service not known|nodename nor servname",
        "There is no host named '{host}'; check the name and the network.",
    ),
    (
        r"Connection refused|timed out|No route to host|Network is unreachable|Connection closed|Connection reset"
        r"|kex_exchange_identification|not responding|Broken pipe",
        "The host '{host}' cannot be reached or closed the connection; check that it runs, that its SSH server listens "
        "there, and the network (VPN?).",
    ),
)
_REASONS = (
    (
        r"No module named '?(?P<what>[\w.]+)",
        "The engine{at} is incomplete: the package '{what}' is missing; install or repair it there.",
    ),
    (
        r"(?:ImportError|OSError): (?P<what>.*(?:DLL|\.so|\.dylib|shared object).*)",
        "The engine{at} is damaged or does not fit this system ({what}); repair it.",
    ),
    (
        r"command not found|not recognized as an internal|No such file or directory|: not found|cannot execute",
        "The command '{program}' was not found{at}; install VQSeg there or give its full path.",
    ),
)


def find_remote_host(command: Sequence[str]) -> Optional[str]:
    """Return the host an ``ssh`` command runs on, as its user wrote it; None when the command itself names none.

    A worker says in its answer to ``initialize`` on which host it runs, which also covers scripts and schedulers.
    """
    at = _find_destination(command)
    if at is None:
        return None
    destination = command[at]
    if destination.startswith("ssh://"):
        destination = destination[len("ssh://") :].split("/")[0].rsplit(":", 1)[0]
    return destination.rsplit("@", 1)[-1]


def prepare_command(command: Sequence[str]) -> List[str]:
    """Return the command as it must be started: ``ssh`` in batch mode, so that it fails instead of asking."""
    if _find_destination(command) is None:
        return list(command)
    # ssh takes the first value it meets for an option, so these win over the user's.
    return [command[0], *_BATCH_OPTIONS, *command[1:]]


def describe_start_failure(command: Sequence[str], exit_code: Optional[int], stderr: str) -> str:
    """Turn the early end of a worker into one sentence.

    Args:
        command: Command line that was to start the worker.
        exit_code: Exit status; negative for a signal (as Python's subprocess counts), None if nothing was started.
        stderr: What it wrote there.
    """
    host = find_remote_host(command)
    at = f" on '{host}'" if host else ""
    if host:
        for pattern, sentence in _SSH_REASONS:
            if re.search(pattern, stderr):
                return sentence.format(host=host)
    program = _program(command)
    if exit_code is None:
        return f"The command '{program}' was not found or cannot be run; install the engine or correct the command."
    for pattern, sentence in _REASONS:
        match = re.search(pattern, stderr)
        if match:
            return sentence.format(at=at, program=program, **{"what": "", **match.groupdict()})
    if exit_code < 0 or exit_code in _KILLED_IN_A_SHELL:
        return f"The engine{at} was ended from outside, perhaps because memory ran out; start it again."
    return f"The engine{at} ended at once (status {exit_code}){_quote_last_line(stderr)}; see its log."


def _find_destination(command: Sequence[str]) -> Optional[int]:
    """Return the place of the host in an ``ssh`` command, None for any other command."""
    if not command or _base_name(command[0]) != "ssh":
        return None
    at = 1
    while at < len(command) and command[at].startswith("-"):
        takes_next = len(command[at]) == 2 and command[at][1] in _SSH_OPTIONS_WITH_VALUE
        at += 2 if takes_next else 1
    return at if at < len(command) else None


def _program(command: Sequence[str]) -> str:
    """Return the program that is to be the worker, on whichever machine."""
    at = _find_destination(command)
    if at is not None:
        return command[at + 1] if at + 1 < len(command) else "the login shell"
    return command[0] if command else ""


def _base_name(program: str) -> str:
    name = PureWindowsPath(program).name if "\\" in program else PurePosixPath(program).name
    return name.lower()[: -len(".exe")] if name.lower().endswith(".exe") else name


def _quote_last_line(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return f" and said '{lines[-1][:200]}'" if lines else ""
