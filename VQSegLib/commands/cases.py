"""``vqseg cases``: add scans and label maps to a project, look at them and change what they are used for."""

from __future__ import annotations

from typing import Annotated

import typer

from VQSegLib.commands.case_export import export_cases
from VQSegLib.commands.case_import import import_cases
from VQSegLib.commands.case_label import CaseArgument, add_cases, relabel_case
from VQSegLib.commands.case_next import find_next
from VQSegLib.commands.project import JsonOption, ProjectArgument
from VQSegLib.commands.terminal import print_result, print_sentence
from VQSegLib.errors import UserError

app = typer.Typer(help="Add scans and label maps to a project.", no_args_is_help=True)
app.command("import")(import_cases)
app.command("export")(export_cases)
app.command("next")(find_next)
app.command("add")(add_cases)
app.command("relabel")(relabel_case)

CasesArgument = Annotated[list[str], typer.Argument(help="Case ids, as `vqseg cases list` shows them.")]


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
