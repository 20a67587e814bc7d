"""Keep memory that was freed for the next pass of the network."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt, from glibc's malloc.h."""
_KEPT_BYTES = 512 << 20
_LARGE_BYTES, _LARGE_BYTES_BEFORE_2_35 = 64 << 20, 32 << 20
"""What is larger still goes back to the system at once: volumes, not maps of a network. Older glibc takes 32 MiB."""


def keep_freed_memory() -> None:
    """Let this process keep up to half a GiB that it frees, instead of giving it back and asking again.

    Each pass of a network frees its maps. glibc gives them back to the system, which clears every page before it lends
    it again: a third of the time of a pass on a CPU. Elsewhere than on Linux with glibc nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        if not mallopt(_MMAP_THRESHOLD, _LARGE_BYTES):
            mallopt(_MMAP_THRESHOLD, _LARGE_BYTES_BEFORE_2_35)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
