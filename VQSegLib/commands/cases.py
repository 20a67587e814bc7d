"""``vqseg cases``: add scans and label maps to a project, look at them and change what they are used for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from VQSegLib.commands.case_export import export_cases
from VQSegLib.commands.case_import import SplitOption, import_cases, print_imported
from VQSegLib.commands.case_next import find_next
from VQSegLib.commands.interrupt import cancel_on_interrupt
from VQSegLib.commands.project import JsonOption, ProjectArgument
from VQSegLib.commands.terminal import print_result, print_sentence, shown_progress
from VQSegLib.errors import UserError

app = typer.Typer(help="Add scans and label maps to a project.", no_args_is_help=True)
app.command("import")(import_cases)
app.command("export")(export_cases)
app.command("next")(find_next)

CaseArgument = Annotated[str, typer.Argument(help="Case id, as `vqseg cases list` shows it.")]
CasesArgument = Annotated[list[str], typer.Argument(help="Case ids, as `vqseg cases list` shows them.")]
AnnotatorOption = Annotated[str | None, typer.Option(help="Name to be recorded as who made the label map.")]
ReviewedOption = Annotated[
    str | None, typer.Option(help="Slices a person vouches for, from 0: 3,5-9; all if left out. Only these train.")
]
ModelOption = Annotated[str | None, typer.Option(help="Model whose proposal was corrected: file or name.")]
ProposalOption = Annotated[Path | None, typer.Option(help="That proposal; what was changed in it is recorded.")]
EmptyOption = Annotated[bool, typer.Option("--allow-empty", help="Confirm that none of the structures is there.")]


@app.command("add")
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
    from VQSegLib.project_review import build_review
    from VQSegLib.service import Service

    service = Service()
    if label is None:
        _refuse_label_options(reviewed=reviewed, proposal=proposal, model=model, allow_empty=allow_empty or None)
        with cancel_on_interrupt() as is_cancelled, shown_progress() as on_progress:
            result = service.add_scans(
                project,
                scans,
                split=split,
                same_patient_as=same_patient_as,
                on_progress=on_progress,
                cancelled=is_cancelled,
            )
        print_imported(result, as_json=as_json)
        return
    if len(scans) != 1:
        msg = f"A label map belongs to one scan, given {len(scans)} scans; add them one by one, or use `cases import`."
        raise UserError(msg)
    review = build_review(
        annotator_id=annotator,
        model=model,
        proposal=proposal,
        reviewed_slices=parse_slices(reviewed),
        is_empty_meant=allow_empty,
    )
    record = service.add_case(
        project, scans[0], label, review=review, split=split, same_patient_as=same_patient_as, is_revision=revision
    )
    print_result(record.model_dump_json(indent=2) if as_json else f"{record.case_id}\t{record.state}\t{record.split}")


@app.command("list")
def list_cases(
    project: ProjectArgument,
    state: Annotated[str | None, typer.Option(help="unlabeled, queued, trained or excluded.")] = None,
    split: Annotated[str | None, typer.Option(help="train, validation, test or held_out.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the cases: id, state, split, latest revision, annotator."""
    from VQSegLib.service import Service

    listed = Service().list_cases(project, state=state, split=split)
    if as_json:
        print_result(listed.model_dump_json(indent=2))
        return
    for case in listed.cases:
        revision = "-" if case.revision is None else f"r{case.revision}"
        print_result(f"{case.case_id}\t{case.state}\t{case.split}\t{revision}\t{case.annotator_id or '-'}")
    for sentence in listed.damaged.values():
        print_sentence(sentence)
    print_sentence(", ".join(f"{count} {name}" for name, count in listed.counts.items()))


@app.command("show")
def show_case(project: ProjectArgument, case: CaseArgument) -> None:
    """Print everything known about a case as JSON, and what it is used for and why."""
    from VQSegLib.service import Service

    record, summary = Service().show_case(project, case)
    print_result(record.model_dump_json(indent=2))
    print_sentence(summary.split_reason)
    if summary.unjudged_labels:
        print_sentence(f"Its label map was accepted before the table had {', '.join(summary.unjudged_labels)}.")


@app.command("relabel")
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
    from VQSegLib.project_review import build_review
    from VQSegLib.service import Service

    review = build_review(
        annotator_id=annotator,
        model=model,
        proposal=proposal,
        reviewed_slices=parse_slices(reviewed),
        is_empty_meant=allow_empty,
    )
    record = Service().relabel_case(project, case, label, review)
    print_result(f"{record.case_id}\t{record.state}\tr{len(record.labels)}")


@app.command("exclude")
def exclude_cases(project: ProjectArgument, cases: CasesArgument) -> None:
    """Leave cases out of everything until they are included again."""
    from VQSegLib.service import Service

    for record in Service().exclude_cases(project, cases):
        print_result(f"{record.case_id}\t{record.state}")


@app.command("include")
def include_cases(project: ProjectArgument, cases: CasesArgument) -> None:
    """Take excluded cases back to where they stood."""
    from VQSegLib.service import Service

    for record in Service().include_cases(project, cases):
        print_result(f"{record.case_id}\t{record.state}")


@app.command("remove")
def remove_cases(
    project: ProjectArgument,
    cases: CasesArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Confirm: image and label maps are deleted for good.")] = False,
) -> None:
    """Delete cases with their images and all label revisions."""
    from VQSegLib.service import Service

    if not yes:
        msg = (
            f"Images and all label maps of {len(cases)} case{'s' if len(cases) > 1 else ''} would be deleted for good; "
            "add --yes to do so, or leave cases out with `vqseg cases exclude`."
        )
        raise UserError(msg)
    Service().remove_cases(project, cases)
    for case in cases:
        print_result(f"{case}\tremoved")


def parse_slices(text: str | None) -> tuple[int, ...] | None:
    """Return the numbers of a list such as ``3,5-9``.

    Raises:
        UserError: The list cannot be understood.
    """
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
