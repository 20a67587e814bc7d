"""``vqseg cases add`` and ``vqseg cases relabel``: scans, and label maps with what a person says about them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from VQSegLib.commands.case_import import SplitOption, print_imported
from VQSegLib.commands.interrupt import cancel_on_interrupt
from VQSegLib.commands.project import JsonOption, ProjectArgument
from VQSegLib.commands.terminal import print_result, shown_progress
from VQSegLib.errors import UserError

if TYPE_CHECKING:
    from VQSegLib.project.review import Review

CaseArgument = Annotated[str, typer.Argument(help="Case id, as `vqseg cases list` shows it.")]
AnnotatorOption = Annotated[str | None, typer.Option(help="Name to be recorded as who made the label map.")]
ReviewedOption = Annotated[
    str | None, typer.Option(help="Slices a person vouches for, from 0: 3,5-9; all if left out. Only these train.")
]
ModelOption = Annotated[str | None, typer.Option(help="Model whose proposal was corrected: file or name.")]
ProposalOption = Annotated[Path | None, typer.Option(help="That proposal; what was changed in it is recorded.")]
EmptyOption = Annotated[bool, typer.Option("--allow-empty", help="Confirm that none of the structures is there.")]


def add_cases(
    project: ProjectArgument,
    scans: Annotated[list[Path], typer.Argument(help="Images, DICOM folders, or folders that hold any of these.")],
    label: Annotated[Path | None, typer.Option(help="Label map of the one scan given.")] = None,
    reviewed: ReviewedOption = None,
    annotator: AnnotatorOption = None,
    model: ModelOption = None,
    proposal: ProposalOption = None,
    allow_empty: EmptyOption = False,
    revision: Annotated[
        bool, typer.Option("--revision", help="Accept the label map although the scan has one already.")
    ] = False,
    same_patient_as: Annotated[
        str | None, typer.Option(help="Earlier case of the same patient; all scans of a patient are on one side.")
    ] = None,
    split: SplitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a scan with its label map, or any number of scans without."""
    from VQSegLib.service import Service

    if label is None:
        _refuse_label_options(reviewed=reviewed, proposal=proposal, model=model, allow_empty=allow_empty or None)
        _add_scans(project, scans, split=split, same_patient_as=same_patient_as, as_json=as_json)
        return
    if len(scans) != 1:
        msg = f"A label map belongs to one scan, given {len(scans)} scans; add them one by one, or use `cases import`."
        raise UserError(msg)
    review = _build_review(reviewed, annotator, model, proposal, allow_empty=allow_empty)
    record = Service().add_case(
        project, scans[0], label, review=review, split=split, same_patient_as=same_patient_as, is_revision=revision
    )
    print_result(record.model_dump_json(indent=2) if as_json else f"{record.case_id}\t{record.state}\t{record.split}")


def relabel_case(
    project: ProjectArgument,
    case: CaseArgument,
    label: Annotated[Path, typer.Argument(help="Label map on the grid of the case's image.")],
    reviewed: ReviewedOption = None,
    annotator: AnnotatorOption = None,
    model: ModelOption = None,
    proposal: ProposalOption = None,
    allow_empty: EmptyOption = False,
) -> None:
    """Accept a label map as the next revision of a case, which waits for training again; older revisions stay."""
    from VQSegLib.service import Service

    review = _build_review(reviewed, annotator, model, proposal, allow_empty=allow_empty)
    record = Service().relabel_case(project, case, label, review)
    print_result(f"{record.case_id}\t{record.state}\tr{len(record.labels)}")


def _add_scans(
    project: Path, scans: list[Path], *, split: str | None, same_patient_as: str | None, as_json: bool
) -> None:
    """Add scans without label maps and print what became of them."""
    from VQSegLib.service import Service

    with cancel_on_interrupt() as is_cancelled, shown_progress() as on_progress:
        result = Service().add_scans(
            project,
            scans,
            split=split,
            same_patient_as=same_patient_as,
            on_progress=on_progress,
            cancelled=is_cancelled,
        )
    print_imported(result, as_json=as_json)


def _build_review(
    reviewed: str | None, annotator: str | None, model: str | None, proposal: Path | None, *, allow_empty: bool
) -> Review:
    """Return what the options say about a label map."""
    from VQSegLib.project_review import build_review

    return build_review(
        annotator_id=annotator,
        model=model,
        proposal=proposal,
        reviewed_slices=_parse_slices(reviewed),
        is_empty_meant=allow_empty,
    )


def _parse_slices(text: str | None) -> tuple[int, ...] | None:
    """Return the numbers of a list such as ``3,5-9``."""
    if text is None:
        return None
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            msg = f"--reviewed '{text}' is no list of slices; give numbers and ranges such as 3,5-9."
            raise UserError(msg)
        numbers += range(first, last + 1)
    return tuple(numbers)


def _refuse_label_options(**options: object) -> None:
    """Refuse what only makes sense with a label map."""
    for name, given in options.items():
        if given is not None:
            msg = f"--{name.replace('_', '-')} says something about a label map; give it with --label."
            raise UserError(msg)
