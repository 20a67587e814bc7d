"""The command line: a thin door to the service.

Exit status 0: success. 2: a user's mistake, told in one sentence on stderr, nothing written. 1: a fault of VQSeg, with
a log file named. 130: stopped by Ctrl-C, nothing half-written.
"""

from __future__ import annotations

import io
import logging
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

from VQSegLib import __version__
from VQSegLib.commands import benchmark, cases, demo, evaluate, models, project, runs, segment, train, worker
from VQSegLib.commands.terminal import print_result, print_sentence
from VQSegLib.errors import Cancelled, VQSegError
from VQSegLib.failure_log import write_failure_log
from VQSegLib.kept_memory import keep_freed_memory

EXIT_FAULT = 1
EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="vqseg",
    help="Segment CT with vector-quantized networks. Research use only, not a medical device.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("segment")(segment.segment)
app.command("evaluate")(evaluate.evaluate)
app.command("train")(train.train)
app.command("demo")(demo.demo)
app.command("worker")(worker.worker)
app.add_typer(benchmark.app, name="benchmark")
app.add_typer(models.app, name="models")
app.add_typer(project.app, name="project")
app.add_typer(cases.app, name="cases")
app.add_typer(runs.app, name="runs")


@app.callback(invoke_without_command=True)
def _start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Segment CT with vector-quantized networks. Research use only, not a medical device."""
    if version:
        print_result(f"vqseg {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print_result(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Command line without the program's name; None takes it from the process.

    Returns:
        The exit status.
    """
    _accept_any_terminal()
    given = list(sys.argv[1:] if arguments is None else arguments)
    _quieten_libraries()
    keep_freed_memory()
    try:
        # Given explicitly, so that on Windows the * of a pattern is not expanded.
        status = app(args=given, prog_name="vqseg", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        status = EXIT_INTERRUPTED
    except Cancelled as stopped:
        print_sentence(str(stopped))
        return EXIT_INTERRUPTED
    except VQSegError as mistake:
        print_sentence(str(mistake))
        return EXIT_MISTAKE
    except typer.TyperException as mistake:
        print_sentence(_describe_usage_error(mistake))
        return EXIT_MISTAKE
    except Exception as fault:  # The last resort: whatever else happens is a fault of ours.
        return _report_fault(fault, given)
    if status == EXIT_INTERRUPTED:
        print_sentence("Stopped by Ctrl-C; nothing half-written was left.")
    return int(status or 0)


def _accept_any_terminal() -> None:
    """Show a character the terminal's encoding lacks as a question mark instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _quieten_libraries() -> None:
    """Keep libraries off stderr; warnings of VQSeg itself are shown there."""
    warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.setLevel(logging.WARNING)
    logger = logging.getLogger("VQSegLib")
    logger.handlers = [handler]
    logger.propagate = False


def _describe_usage_error(mistake: typer.TyperException) -> str:
    """Return typer's complaint about the command line as one sentence."""
    context = getattr(mistake, "ctx", None)
    command = context.command_path if context is not None else "vqseg"
    return f"{mistake.format_message().strip().rstrip('.')}; see `{command} --help`."


def _report_fault(fault: Exception, arguments: Sequence[str]) -> int:
    """Write the log of a fault and name it."""
    command = next((word for word in arguments if not word.startswith("-")), "")
    log = write_failure_log(fault, command, arguments)
    print_sentence(f"VQSeg failed through a fault of its own ({type(fault).__name__}); please report it with '{log}'.")
    return EXIT_FAULT


if __name__ == "__main__":
    sys.exit(main())
