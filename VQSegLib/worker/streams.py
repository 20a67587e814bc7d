"""Keep stdin and stdout for messages alone, whatever a library or a child process prints or reads."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from VQSegLib.errors import UserError

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_WINDOWS_STD_INPUT, _WINDOWS_STD_OUTPUT = -10, -11


@dataclass(frozen=True)
class MessageStreams:
    """File descriptors that only the worker knows; child processes do not inherit them."""

    input_fd: int
    output_fd: int


def take_standard_streams() -> MessageStreams:
    """Return private copies of stdin and stdout; from now on stdout is stderr and stdin is empty.

    This holds for C libraries too, because the file descriptors themselves are redirected.

    Raises:
        UserError: There is no stdin or no stdout.
    """
    if not _is_open(_STDERR):
        _redirect_to_nothing(_STDERR, os.O_WRONLY)
    if not (_is_open(_STDIN) and _is_open(_STDOUT)):
        msg = "The worker speaks over stdin and stdout, but one of them is closed; start it with both connected."
        raise UserError(msg)
    streams = MessageStreams(os.dup(_STDIN), os.dup(_STDOUT))
    if sys.stdout is not None:
        sys.stdout.flush()
    os.dup2(_STDERR, _STDOUT)
    _redirect_to_nothing(_STDIN, os.O_RDONLY)
    if sys.platform == "win32":
        _adapt_to_windows(streams)
    return streams


def write_all(fd: int, buffer: memoryview) -> None:
    """Write every byte; a pipe takes only some at a time."""
    rest = buffer.cast("B")
    while rest:
        rest = rest[os.write(fd, rest) :]


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _redirect_to_nothing(fd: int, flags: int) -> None:
    nothing = os.open(os.devnull, flags)
    if nothing != fd:
        os.dup2(nothing, fd)
        os.close(nothing)


def _adapt_to_windows(streams: MessageStreams) -> None:
    """Leave bytes as they are, and redirect also what asks Windows itself for the standard handles."""
    if sys.platform == "win32":
        import ctypes
        import msvcrt

        for fd in (streams.input_fd, streams.output_fd):
            msvcrt.setmode(fd, os.O_BINARY)
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.SetStdHandle.argtypes = (ctypes.c_ulong, ctypes.c_void_p)
        for number, fd in ((_WINDOWS_STD_INPUT, _STDIN), (_WINDOWS_STD_OUTPUT, _STDOUT)):
            kernel.SetStdHandle(number & 0xFFFFFFFF, msvcrt.get_osfhandle(fd))
