"""Files and folders that appear whole or not at all: built under a temporary name, flushed to disk, then renamed.

Temporary names say which process of which machine is writing, so that what a killed writer left can be told from what
is still being written (:mod:`VQSegLib.leftovers`).
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from VQSegLib.leftovers import temporary_name

_IS_WINDOWS = os.name == "nt"
_WINDOWS_RETRY_S = 2.0


@contextmanager
def written_atomically(
    path: Path, suffix: str = "", *, folder: Path | None = None, is_new: bool = False
) -> Iterator[Path]:
    """Yield a temporary name; on success its content is flushed to disk and takes the name ``path``.

    When the body raises, nothing stays behind and an older file at ``path`` is untouched.

    Args:
        path: Final name.
        suffix: Ending of the temporary name, for writers that choose the format by it.
        folder: Where to build the file, on the same file system; None for the folder of ``path``.
        is_new: Refuse to replace a file of that name, also one that appears meanwhile.

    Raises:
        FileExistsError: ``is_new`` and the name is taken.
    """
    # torch names what is inside of a file after the part of its name before the last dot, which must not be empty.
    temporary = (folder or path.parent) / f"{temporary_name()}{suffix or '.tmp'}"
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        if is_new:
            publish(temporary, path)
        else:
            _retried(lambda: temporary.replace(path))
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, folder: Path | None = None) -> None:
    """Replace ``path`` by ``text`` (UTF-8) in one step; ``folder`` as in :func:`written_atomically`."""
    with written_atomically(path, folder=folder) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def publish(temporary: Path, path: Path) -> None:
    """Give a complete file its final name in one step that fails if the name is taken, whoever takes it first.

    Raises:
        FileExistsError: The name is taken.
    """
    if _IS_WINDOWS:
        _retried(lambda: temporary.rename(path))
        return
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # Some shares and FAT have no hard links; there the name is claimed by an empty file, which is replaced.
        path.open("xb").close()
        try:
            temporary.replace(path)
        except OSError:
            path.unlink()
            raise
    else:
        temporary.unlink()


def rename_folder(source: Path, target: Path) -> None:
    """Rename a finished folder to its final name, which must be free, in one step."""
    _retried(lambda: source.rename(target))
    sync_folder(target.parent)


def sync_folder(path: Path) -> None:
    """Flush the names inside a folder to disk, where the system can do so (Windows cannot and needs not)."""
    if _IS_WINDOWS:
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some shares cannot flush folders; there the server decides when a name is on disk.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def _retried(rename: Callable[[], object]) -> None:
    """Rename; Windows refuses while a reader or a virus scanner has the file open, so it is tried again."""
    deadline = time.monotonic() + _WINDOWS_RETRY_S
    while True:
        try:
            rename()
        except FileExistsError:
            raise
        except PermissionError:
            if not _IS_WINDOWS or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
