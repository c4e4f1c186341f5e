"""What the import scripts share: options, where the data lies, the account at the end."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from kgzsl import ClassGraph
from kgzsl.errors import InputError

__all__ = ["HERE", "finish", "options", "read_names", "run", "shared"]

HERE = Path(__file__).resolve().parent


def options(description: str | None, out: str) -> argparse.ArgumentParser:
    """A parser with ``--data`` and ``--out``."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--data", default=os.environ.get("KGZSL_DATA"), help="folder of data sets (default: $KGZSL_DATA)"
    )
    parser.add_argument("--out", default=out, help=f"the class graph to write (default: {out})")
    return parser


def shared(data: str | None, name: str) -> Path:
    """A path below ``--data``.

    Raises:
        InputError: There is none.
    """
    if not data:
        raise InputError("no source is given", remedy="name one, or give --data (or $KGZSL_DATA)")
    path = Path(data, name)
    if not path.exists():
        raise InputError("there is no such file", file=path, remedy="name the source, or another --data")
    return path


def read_names(path: str | Path) -> list[str]:
    """Class names, one a line."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def finish(graph: ClassGraph, out: str) -> None:
    """Print what was understood, and write the graph."""
    graph.save(out)
    print("\n".join([repr(graph), "", *graph.account.table(), "", f"written to {out}"]))


def run(main: Callable[[Sequence[str] | None], None]) -> None:
    """Run a script; bad input is one line and status 2."""
    try:
        main(None)
    except InputError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
