"""Command lines that people type, taken apart without a shell."""

from __future__ import annotations

import sys

import pytest

from VQSegUI.CommandLine import findProgram, splitCommandLine
from VQSegUI.Problem import Problem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ssh gpu01 vqseg worker", ["ssh", "gpu01", "vqseg", "worker"]),
        ("  srun --gres=gpu:1 vqseg worker ", ["srun", "--gres=gpu:1", "vqseg", "worker"]),
        ('"/opt/My Programs/vqseg" worker', ["/opt/My Programs/vqseg", "worker"]),
        (
            "ssh -p 2222 'jörg@gpu' \"bash -lc 'vqseg worker'\"",
            ["ssh", "-p", "2222", "jörg@gpu", "bash -lc 'vqseg worker'"],
        ),
        ("/opt/a\\ b/vqseg worker", ["/opt/a b/vqseg", "worker"]),
        ("docker run -i --rm image#1 vqseg worker", ["docker", "run", "-i", "--rm", "image#1", "vqseg", "worker"]),
        ("env A=$HOME vqseg worker", ["env", "A=$HOME", "vqseg", "worker"]),
    ],
)
def test_words_are_those_a_person_means(text: str, words: list[str]) -> None:
    assert splitCommandLine(text, isWindows=False) == words


def test_backslashes_are_part_of_paths_on_windows() -> None:
    text = r'"C:\Program Files\vqseg\python.exe" -m VQSegLib.cli worker --cache \\server\share'
    words = ["C:\\Program Files\\vqseg\\python.exe", "-m", "VQSegLib.cli", "worker", "--cache", r"\\server\share"]
    assert splitCommandLine(text, isWindows=True) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Enter the command"),
        ("   ", "Enter the command"),
        ("'vqseg worker", "opening quotation mark"),
        ("vqseg worker \\", "complete it"),
        ("vqseg worker | tee log", "“|” has no meaning"),
        ("module load cuda && vqseg worker", "“&&” has no meaning"),
        ("vqseg worker 2> log.txt", "“2>” has no meaning"),
    ],
)
def test_what_cannot_work_is_refused_in_one_sentence(text: str, words: str) -> None:
    with pytest.raises(Problem) as raised:
        splitCommandLine(text, isWindows=False)
    assert words in str(raised.value)


def test_program_must_exist() -> None:
    assert findProgram([sys.executable, "-m", "x"]) == sys.executable
    with pytest.raises(Problem, match="no program “vqsegg”"):
        findProgram(["vqsegg", "worker"])
