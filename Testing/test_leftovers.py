"""What a dead writer left is told from what a living one is writing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from VQSegLib.leftovers import find_leftovers, temporary_name


def test_only_what_nobody_writes_any_more_is_left_over(tmp_path: Path) -> None:
    finished = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    mine = temporary_name()
    _, machine, pid, started, key = mine.split("-")
    assert pid == str(os.getpid())
    dead = f".vqseg-{machine}-{int(finished.stdout)}-{started}-{key}"
    number_taken_by_another = f".vqseg-{machine}-{pid}-{int(started) - 100}-{key}-case-0123456789"
    elsewhere = f".vqseg-00000000-{pid}-{started}-{key}"
    elsewhere_old = f".vqseg-00000001-{pid}-{started}-{key}.nii.gz"
    other = ".vqseg-notes"
    for name in (mine, dead, number_taken_by_another, elsewhere, elsewhere_old, other):
        (tmp_path / name).write_text("")
    yesterday = time.time() - 25 * 3600
    os.utime(tmp_path / elsewhere_old, (yesterday, yesterday))
    assert {path.name for path in find_leftovers(tmp_path)} == {dead, number_taken_by_another, elsewhere_old}


def test_killed_writer_counts_as_gone_also_before_its_parent_noticed(tmp_path: Path) -> None:
    code = (
        f"import sys, pathlib, time; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "from VQSegLib.leftovers import temporary_name\n"
        "pathlib.Path(sys.argv[1], temporary_name()).write_text(''); print('ready', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        assert list(find_leftovers(tmp_path)) == []
        writer.kill()
        deadline = time.monotonic() + 10
        while not list(find_leftovers(tmp_path)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(list(find_leftovers(tmp_path))) == 1
