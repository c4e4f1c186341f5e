"""``kgzsl bench``: speed beside a plain implementation, in the same process, equality checked."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from kgzsl.cli.console import Console
from kgzsl.cli.options import DeviceOption, JsonOption, QuietOption, SetOption, pairs

__all__ = ["add"]


def add(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(
        "bench", short_help="Speed beside a plain implementation.", epilog="Example: kgzsl bench generator --json"
    )(bench)


def bench(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which benchmark, such as generator.")],
    options: SetOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Time ours beside a plain implementation of the same thing, after checking that both compute it."""
    from kgzsl import benchmarks

    console = Console(as_json=as_json, quiet=quiet)
    found = benchmarks.run(name, device=device, **pairs(options))
    console.result(found, [json.dumps(found, indent=2, ensure_ascii=False)])
