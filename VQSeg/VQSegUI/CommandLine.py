"""A command line typed by a person, taken apart without a shell, and where it sends scans. Standard library only."""

from __future__ import annotations

import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Callable, List, Optional, Sequence

from VQSegLib.wire_command import find_remote_host
from VQSegUI.Problem import Problem
from VQSegUI.Translation import _

SHELL_WORDS = {"|", "||", "&", "&&", ";", ">", ">>", "<", "2>", "2>&1"}
SCHEDULERS = {"srun", "salloc", "sbatch", "qrsh", "qlogin", "qsub", "bsub", "jsrun", "flux", "kubectl", "oc", "ray"}
CONTAINERS = {"docker", "podman", "apptainer", "singularity", "nerdctl", "enroot"}
WRAPPERS = {"env", "nice", "nohup", "ionice", "taskset", "time", "timeout", "stdbuf", "setsid", "numactl", "sudo"}
LOCAL = {"vqseg", "pythonslicer", "conda", "mamba", "micromamba", "uv", "uvx", "pixi", "poetry"}
REMOTE_CONTAINER_OPTIONS = ("-H", "--host", "-c", "--context", "--remote", "--connection", "--url")


@dataclass(frozen=True)
class Destination:
    """Where a command runs.

    Attributes:
        isHere: True only if it certainly runs on this computer.
        name: What to call the place when asking for consent; empty if it is here.
    """

    isHere: bool
    name: str = ""


def splitCommandLine(text: str, isWindows: bool = os.name == "nt") -> List[str]:
    """Return the words of a command line; quotation marks group, a shell's other signs have no meaning.

    Args:
        text: What was typed.
        isWindows: There a backslash is part of a path; elsewhere it takes the meaning from the next character.

    Raises:
        Problem: It is empty, a quotation mark is missing, or it needs a shell.
    """
    reader = shlex.shlex(text.strip(), posix=True, punctuation_chars=False)
    reader.whitespace_split, reader.commenters = True, ""
    reader.escape = "" if isWindows else "\\"
    try:
        words = list(reader)
    except ValueError:
        sentence = _("The command “{text}” has an opening quotation mark or a backslash without what follows; complete it.")
        raise Problem(sentence.format(text=text.strip())) from None
    if not words:
        raise Problem(_("Enter the command that starts the engine, such as: ssh gpu01 vqseg worker"))
    signs = [word for word in words if word in SHELL_WORDS]
    if signs:
        sentence = _("No shell reads the command, so “{sign}” has no meaning in it: put that part into a script, name the script.")
        raise Problem(sentence.format(sign=signs[0]))
    return words


def findProgram(command: Sequence[str], find: Callable[[str], Optional[str]] = shutil.which) -> str:
    """Return the path of a command's program.

    Raises:
        Problem: There is no such program.
    """
    path = find(os.path.expanduser(command[0]))
    if path is None:
        sentence = _("There is no program “{program}” on this computer; give its full path or correct the name.")
        raise Problem(sentence.format(program=command[0]))
    return path


def findDestination(command: Sequence[str]) -> Destination:
    """Return where a command runs, as far as its words tell; what is not certainly here counts as elsewhere."""
    name = programName(command[0])
    host = find_remote_host(command)
    if host:
        return Destination(isHere=False, name=host)
    if name in SCHEDULERS:
        return Destination(isHere=False, name=_("the computer that {program} chooses").format(program=name))
    if name in WRAPPERS:
        return _findBehindWrapper(command)
    if name in CONTAINERS:
        option = next((word for word in command if word.split("=")[0] in REMOTE_CONTAINER_OPTIONS), "")
        isHere = not option and not os.environ.get("DOCKER_HOST")
        return Destination(isHere, "" if isHere else _("the computer that {program} works on").format(program=name))
    if name in LOCAL or name.startswith("python"):
        return Destination(isHere=True)
    return Destination(isHere=False, name=_("the computer that “{program}” works on").format(program=name))


def programName(program: str) -> str:
    """Return the name of a program without folder and .exe, in lower case."""
    name = (PureWindowsPath(program) if "\\" in program else PurePosixPath(program)).name.lower()
    return name[: -len(".exe")] if name.endswith(".exe") else name


def _findBehindWrapper(command: Sequence[str]) -> Destination:
    """Return the destination of the command that a program such as ``nice`` starts: the first word we know."""
    known = SCHEDULERS | CONTAINERS | LOCAL | {"ssh"}
    for position, word in enumerate(command[1:], 1):
        name = programName(word)
        if name in known or name.startswith("python"):
            return findDestination(command[position:])
    return Destination(isHere=False, name=_("the computer that “{command}” works on").format(command=" ".join(command)))
