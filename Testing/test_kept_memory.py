"""Memory that is freed and asked for again."""

import subprocess
import sys

import pytest

_PASSES = """
import resource
import numpy as np
import VQSegLib.kept_memory as memory
{keep}
for number in range(60):
    if number == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    maps = [np.ones(5_000_000, np.float32) for _ in range(4)]
    del maps
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _count_page_faults(keep: str) -> int:
    command = [sys.executable, "-c", _PASSES.format(keep=keep)]
    found = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    return int(found.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc gives memory back that eagerly")
def test_freed_memory_is_not_asked_for_again():
    with_it, without = _count_page_faults("memory.keep_freed_memory()"), _count_page_faults("")
    assert with_it < without / 10
