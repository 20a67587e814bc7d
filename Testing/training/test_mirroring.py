"""Left and right labels of a mirrored patient."""

from __future__ import annotations

import pytest

from VQSegLib.labels import Code, Label, LabelTable
from VQSegLib.resources import load_label_table
from VQSegLib.training.mirroring import mirrored_classes


def table(*labels: tuple[str, str, str]) -> LabelTable:
    """Make labels from name, code of the type and modifier; an empty string leaves the code out."""

    def code(text: str) -> Code | None:
        return Code(scheme="SCT", value=text, meaning=text) if text else None

    return LabelTable(
        labels=tuple(
            Label(value=number, name=name, color=(0, 0, 0), type=code(kind), modifier=code(modifier))
            for number, (name, kind, modifier) in enumerate(labels, start=1)
        )
    )


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([("Right parotid", "45", "Right"), ("Cord", "27", ""), ("Left parotid", "45", "Left")], (0, 3, 2, 1)),
        ([("Heart", "", ""), ("Liver", "", "")], (0, 1, 2)),
        # sides told by the names alone
        ([("Parotid_L", "", ""), ("Parotid_R", "", "")], (0, 2, 1)),
        ([("left lung", "", ""), ("Right Lung", "", ""), ("trachea", "", "")], (0, 2, 1, 3)),
        # two pairs
        (
            [("a", "1", "Left"), ("b", "2", "Right"), ("c", "1", "Right"), ("d", "2", "Left")],
            (0, 3, 4, 1, 2),
        ),
        # the same code twice, without sides: each stays itself
        ([("primary tumor", "9", ""), ("second tumor", "9", ""), ("Cord", "27", "")], (0, 1, 2, 3)),
    ],
)
def test_partners(labels: list[tuple[str, str, str]], expected: tuple[int, ...]) -> None:
    assert mirrored_classes(table(*labels)) == expected


@pytest.mark.parametrize(
    "labels",
    [
        [("Left parotid", "45", "Left"), ("Cord", "27", "")],
        [("Kidney left", "", ""), ("Spleen", "", "")],
        [("a", "45", "Left"), ("b", "45", "Left"), ("c", "45", "Right")],
        [("Left parotid", "45", "Left"), ("Right submandibular", "46", "Right")],
    ],
)
def test_nothing_is_mirrored_when_a_side_has_no_single_partner(labels: list[tuple[str, str, str]]) -> None:
    assert mirrored_classes(table(*labels)) is None


def test_the_shipped_labels_have_partners() -> None:
    labels = load_label_table("openkbp_head_neck")
    mirror = mirrored_classes(labels)
    assert mirror is not None
    names = ["background", *(label.name for label in labels.labels)]
    swapped = {names[a]: names[b] for a, b in enumerate(mirror) if a != b}
    assert swapped == {
        "Right parotid gland": "Left parotid gland",
        "Left parotid gland": "Right parotid gland",
    }
    assert all(mirror[mirror[index]] == index for index in range(len(mirror)))
