"""A label value belongs to its structure for good, whatever happens to the table."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from VQSegLib.errors import ProjectError
from VQSegLib.labels import Code, Label, LabelTable
from VQSegLib.project.document import (
    ProjectDocument,
    add_label,
    find_label,
    remove_label,
    rename_label,
    reorder_labels,
)


@pytest.fixture
def document(table: LabelTable) -> ProjectDocument:
    """Cord = 1, Larynx = 5."""
    return ProjectDocument(labels=table)


def values(document: ProjectDocument) -> dict[str, int]:
    return {label.name: label.value for label in document.labels.labels}


def test_renaming_keeps_every_value(document: ProjectDocument) -> None:
    assert values(rename_label(document, 5, "Voice box")) == {"Cord": 1, "Voice box": 5}


def test_reordering_keeps_every_value(document: ProjectDocument) -> None:
    reordered = reorder_labels(document, [5, 1])
    assert list(values(reordered).items()) == [("Larynx", 5), ("Cord", 1)]
    assert find_label(reordered.labels, 5).color == (4, 5, 6)


def test_removed_label_gets_its_value_back_when_it_is_added_again(document: ProjectDocument) -> None:
    removed = remove_label(document, 5)
    assert values(removed) == {"Cord": 1}
    again = add_label(add_label(removed, "Tumor"), "Larynx")
    assert values(again) == {"Cord": 1, "Tumor": 6, "Larynx": 5}
    assert find_label(again.labels, 5).color == (4, 5, 6)
    assert again.retired_labels == ()


def test_value_of_a_removed_label_is_never_given_to_another(document: ProjectDocument) -> None:
    removed = remove_label(add_label(document, "Tumor"), 6)
    assert values(add_label(removed, "Node"))["Node"] == 7


def test_value_stays_with_the_structure_through_rename_and_removal(document: ProjectDocument) -> None:
    renamed = rename_label(document, 5, "Voice box")
    again = add_label(add_label(remove_label(renamed, 5), "Larynx"), "Voice box")
    assert values(again) == {"Cord": 1, "Larynx": 6, "Voice box": 5}


def test_new_label_has_its_own_color_and_the_given_codes(document: ProjectDocument) -> None:
    code = Code(scheme="SCT", value="45289007", meaning="Parotid gland")
    added = add_label(add_label(document, "A", type=code), "B", (7, 8, 9))
    a, b = find_label(added.labels, 6), find_label(added.labels, 7)
    assert a.type == code
    assert a.color not in {(1, 2, 3), (4, 5, 6)}
    assert b.color == (7, 8, 9)


def test_values_above_the_last_one_run_out_before_those_below(document: ProjectDocument) -> None:
    top = ProjectDocument(labels=LabelTable(labels=(Label(value=255, name="Top", color=(0, 0, 0)),)))
    assert values(add_label(top, "Next"))["Next"] == 1
    full = document
    for number in range(253):
        full = add_label(full, f"label {number}")
    with pytest.raises(ProjectError, match="All 255"):
        add_label(full, "one more")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda it: add_label(it, "Cord"), "already"),
        (lambda it: add_label(it, "Node", (0, 0, 256)), "0..255"),
        (lambda it: rename_label(it, 2, "Node"), r"no value 2; it has 1 \(Cord\), 5 \(Larynx\)"),
        (lambda it: rename_label(it, 1, "Larynx"), "unique"),
        (lambda it: rename_label(remove_label(it, 5), 1, "Larynx"), "unique"),
        (lambda it: remove_label(it, 2), "no value 2"),
        (lambda it: remove_label(remove_label(it, 1), 5), "only label"),
        (lambda it: reorder_labels(it, [1]), r"once \(1, 5\), given: 1"),
    ],
)
def test_change_that_would_break_the_table_is_refused(document: ProjectDocument, change, words: str) -> None:
    with pytest.raises(ProjectError, match=words):
        change(document)


def test_retired_label_cannot_share_a_value(table: LabelTable) -> None:
    with pytest.raises(ValidationError, match="unique"):
        ProjectDocument(labels=table, retired_labels=(Label(value=5, name="Old", color=(0, 0, 0)),))
