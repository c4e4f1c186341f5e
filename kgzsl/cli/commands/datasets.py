"""``kgzsl datasets``: which data sets are known, and whether they are in order."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from kgzsl.cli.commands.info import examine
from kgzsl.cli.console import Console
from kgzsl.cli.options import JsonOption, QuietOption
from kgzsl.errors import InputError

__all__ = ["add"]


def add(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    group = typer.Typer(
        name="datasets",
        help="List the known data sets, and check them.",
        epilog="Example: kgzsl datasets check flo",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("list", epilog="Example: kgzsl datasets list --json")(list_known)
    group.command("check", epilog="Example: kgzsl datasets check flo nell_zs")(check)
    app.add_typer(group)


def list_known(as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """List the data sets that go by a name, and whether they are here."""
    from kgzsl import datasets

    base = datasets.data_dir()
    known = datasets.known()
    rows = []
    for name in datasets.names():
        entry = known[name]
        place = entry.find(base)
        state = "embedded" if entry.embedded else "absent" if place is None else "here"
        rows.append(
            {"name": name, "task": entry.task, "about": entry.about, "state": state, "place": place and str(place)}
        )
    width = max(len(row["name"] or "") for row in rows)
    lines = [f"data folder: {base}", ""]
    lines += [f"{row['name']:<{width}}  {row['state']:<8}  {row['about']}" for row in rows]
    Console(as_json=as_json, quiet=quiet).result({"data_dir": str(base), "datasets": rows}, lines)


def check(
    names: Annotated[list[str], typer.Argument(metavar="DATASET...", help="Names or paths.")],
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Read data sets whole and check shapes, ranges, numbers and splits. Exit status 2 if one is not in order."""
    console = Console(as_json=as_json, quiet=quiet)
    found, lines, bad = [], [], []
    for name in names:
        begun = time.perf_counter()
        try:
            values, told = examine(name)
        except InputError as error:
            bad.append(str(error))
            found.append({"name": name, "ok": False, "problem": str(error)})
            lines.append(f"{name}: NOT in order: {error}")
            continue
        seconds = time.perf_counter() - begun
        found.append({"name": name, "ok": True, "seconds": round(seconds, 3), **values})
        lines += [f"{name}: in order ({seconds:.1f} s)", *(f"  {line}" for line in told)]
    console.result({"datasets": found}, lines)
    if bad:
        raise InputError(
            bad[0] if len(bad) == 1 else f"{len(bad)} of {len(names)} data sets are not in order: {bad[0]}"
        )
