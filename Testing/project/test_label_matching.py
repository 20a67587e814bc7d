"""Structures get their label value by what they are, not by where they stand."""

from __future__ import annotations

import pytest

from VQSegLib.errors import ProjectError
from VQSegLib.labels import LabelTable
from VQSegLib.project.document import ProjectDocument, remove_label
from VQSegLib.project.label_matching import Structure, match_structures

CORD, LARYNX = Structure("Cord", 1), Structure("Larynx", 5)


@pytest.fixture
def document(table: LabelTable) -> ProjectDocument:
    """Cord = 1, Larynx = 5."""
    return ProjectDocument(labels=table)


@pytest.mark.parametrize(
    ("structures", "expected"),
    [
        ([CORD, LARYNX], (1, 5)),
        ([LARYNX, CORD], (5, 1)),
        ([LARYNX], (5,)),
        ([Structure("my own name", 5), CORD], (5, 1)),
        ([CORD, Structure("Larynx")], (1, 5)),
        ([Structure("larynx")], (5,)),
        ([Structure("Larynx", 9)], (5,)),
        ([], ()),
    ],
    ids=["as they are", "reordered", "only one", "renamed", "deleted and drawn again", "case", "foreign value", "none"],
)
def test_value_follows_the_structure(document: ProjectDocument, structures, expected) -> None:
    assert match_structures(structures, document) == expected


@pytest.mark.parametrize(
    ("structures", "words"),
    [
        ([Structure("Tumor")], r"'Tumor' is not in .*\(Cord, Larynx\); add it"),
        ([Structure("Larynx", 1)], "drawn as 'Cord'"),
        ([CORD, Structure("cord")], "'Cord' and 'cord' are the same label"),
    ],
)
def test_doubtful_structure_is_refused(document: ProjectDocument, structures, words: str) -> None:
    with pytest.raises(ProjectError, match=words):
        match_structures(structures, document)


def test_structure_of_a_removed_label_is_refused(document: ProjectDocument) -> None:
    with pytest.raises(ProjectError, match="removed from the table"):
        match_structures([LARYNX], remove_label(document, 5))
