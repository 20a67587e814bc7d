"""The exception whose text is one sentence for the person in front of the panel."""

from __future__ import annotations


class Problem(Exception):
    """Something that cannot be done: what is wrong, what was given, what to do next, in one sentence.

    Attributes:
        detail: More for the log, without patient data; may be empty.
    """

    def __init__(self, sentence: str, detail: str = "") -> None:
        super().__init__(sentence)
        self.detail = detail
