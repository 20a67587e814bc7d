"""A command line typed by a person, taken apart without a shell. Standard library only."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import Callable, List, Optional, Sequence

from VQSegUI.Problem import Problem
from VQSegUI.Translation import _

SHELL_SIGNS = {"|", "||", "&", "&&", ";", ">", ">>", "<", "2>", "2>&1"}


def splitCommandLine(text: str, isWindows: bool = os.name == "nt") -> List[str]:
    """Return the words of a command line; quotation marks group, a shell's other signs have no meaning.

    Args:
        text: What was typed.
        isWindows: There a backslash is part of a path; elsewhere it takes the meaning from the next character.

    Raises:
        Problem: It is empty, a quotation mark is missing, or it needs a shell.
    """
    reader = shlex.shlex(text.strip(), posix=True)
    reader.whitespace_split, reader.commenters = True, ""
    reader.escape = "" if isWindows else "\\"
    try:
        words = list(reader)
    except ValueError:
        sentence = _(
            "The command “{text}” has an opening quotation mark or a backslash without what follows; complete it."
        )
        raise Problem(sentence.format(text=text.strip())) from None
    if not words:
        raise Problem(_("Enter the command that starts the engine, such as: ssh gpu01 vqseg worker"))
    signs = [word for word in words if word in SHELL_SIGNS]
    if signs:
        sentence = _(
            "No shell reads the command, so “{sign}” has no meaning in it; put that part into a script and name it."
        )
        raise Problem(sentence.format(sign=signs[0]))
    return words


def findProgram(command: Sequence[str], find: Callable[[str], Optional[str]] = shutil.which) -> str:
    """Return the path of a command's program.

    Raises:
        Problem: There is no such program.
    """
    path = find(str(Path(command[0]).expanduser()) if command[0].startswith("~") else command[0])
    if path is None:
        sentence = _("There is no program “{program}” on this computer; give its full path or correct the name.")
        raise Problem(sentence.format(program=command[0]))
    return path
