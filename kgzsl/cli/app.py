"""``kgzsl ...``: the commands put together, and what a person sees when one ends badly."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import kgzsl
from kgzsl.cli.commands import ALL
from kgzsl.errors import InputError

__all__ = ["app", "main", "run"]

# The base class of every complaint about the command line itself; typer hands on only its child.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

app = typer.Typer(
    name="kgzsl",
    help="Zero-shot classification and knowledge-graph completion, from ontologies and knowledge graphs.",
    epilog="Begin with: kgzsl demo --out runs/demo",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"kgzsl {kgzsl.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Zero-shot classification and knowledge-graph completion, from ontologies and knowledge graphs."""
    if context.invoked_subcommand is None:
        print(context.get_help())


for _add in ALL:
    _add(app)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit status.

    0: done. 2: bad input, one line on standard error says what and where. 1: a defect of kgzsl. 130: interrupted.
    """
    raise SystemExit(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    """Run the command line; returns the exit status."""
    try:
        with warnings.catch_warnings():
            _plain_warnings()
            code = typer.main.get_command(app).main(
                args=list(argv), prog_name="kgzsl", standalone_mode=False, obj=["kgzsl", *argv]
            )
        print(end="", flush=True)  # which, unlike sys.stdout.flush, bears an output that is closed
    except InputError as error:
        return _say(str(error), 2)
    except _UsageError as error:
        return _say(_usage(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        return _say("interrupted", 130)
    except (BrokenPipeError, SystemExit):
        # The reader of our output has left (`| head`): not an error, and nothing more can be said to it. The parser
        # leaves by SystemExit in this case alone.
        _drop_output()
        return 0
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            return _no_room(error)
        return _defect(error)
    return code if isinstance(code, int) else 0


def _drop_output() -> None:
    """What is left of our output goes nowhere: else Python complains of it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _no_room(error: OSError) -> int:
    try:
        print(end="", flush=True)
    except OSError:
        _drop_output()
    return _say(str(InputError(f"the output cannot be written ({error.strerror})", file=error.filename)), 2)


def _plain_warnings() -> None:
    """Warnings in one line each, without the place in the code; those of libraries about themselves are left out."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        print(f"kgzsl: warning: {' '.join(str(message).split())}", file=sys.stderr)

    warnings.showwarning = show  # put back by the caller's catch_warnings
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)


def _say(text: str, code: int) -> int:
    print(f"kgzsl: {' '.join(text.split())}", file=sys.stderr)
    return code


def _usage(error: Any) -> str:
    """One line out of a complaint about the command line."""
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "kgzsl"
    return f"{text.rstrip('.')}; see {path} --help"


def _defect(error: Exception) -> int:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return _say("there is not enough memory for this; use a smaller batch or model (--set), or another --device", 1)
    if os.environ.get("KGZSL_TRACEBACK"):
        traceback.print_exception(error)
        where = "above"
    else:
        where = _keep(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    text = f"{type(error).__name__}: {error}"[:400]
    return _say(
        f"this is a defect in kgzsl, not in your input: {text} ({Path(last.filename).name}, line {last.lineno}). "
        f"The traceback is {where}; please report it",
        1,
    )


def _keep(error: Exception) -> str:
    try:
        handle, name = tempfile.mkstemp(prefix="kgzsl-defect-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"kgzsl {kgzsl.__version__}, Python {sys.version}\n")
            traceback.print_exception(error, file=file)
    except OSError:
        return "printed with KGZSL_TRACEBACK=1"
    return f"in {name}"
