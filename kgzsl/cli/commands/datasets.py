"""``kgzsl datasets``: which data sets are known, whether they are here and in order, and how they come here."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated, Any

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
        help="List the known data sets, fetch them, check them.",
        epilog="Example: kgzsl datasets check flo",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    commands = (
        (list_known, "list", "The known data sets, and whether they are here.", "list --json"),
        (status, "status", "Where a data set is looked for, and what is missing.", "status CUB"),
        (download, "download", "Fetch data sets into the data folder.", "download codex_s"),
        (check, "check", "Read data sets whole and check them.", "check flo nell_zs"),
    )
    for function, name, about, example in commands:
        group.command(name, short_help=about, epilog=f"Example: kgzsl datasets {example}")(function)
    app.add_typer(group)


Names = Annotated[list[str], typer.Argument(metavar="DATASET", help="Names; see kgzsl datasets list.")]


def list_known(as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """List the data sets that go by a name, and whether they are here."""
    from kgzsl import datasets

    rows = [_plain(datasets.status(name)) for name in datasets.names()]
    width = max(len(row["name"]) for row in rows)
    lines = [f"data folder: {datasets.data_dir()}", ""]
    lines += [f"{row['name']:<{width}}  {row['state']:<8}  {row['about']}" for row in rows]
    Console(as_json=as_json, quiet=quiet).result({"data_dir": str(datasets.data_dir()), "datasets": rows}, lines)


def status(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="DATASET", help="Names; see kgzsl datasets list. All without one.")
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say where data sets are looked for, what is missing, and what to do about it."""
    from kgzsl import datasets

    found = [datasets.status(name) for name in names or datasets.names()]
    lines: list[str] = []
    for one in found:
        lines.append(f"{one.name}: {one.state}. {one.about}")
        lines += [f"  found in {one.place} ({one.size:,} bytes)"] if one.place else []
        lines += [f"  looked in {place}" for place in one.looked_in if one.place is None]
        lines += [f"  missing: {file}" for file in one.missing]
        lines += [f"  published: {_published(file)}" for file in one.files]
        if not one.files and one.state != "embedded":
            lines.append("  published: neither sizes nor checksums of its files are known")
        lines += [f"  what to do: {one.remedy}"] if one.remedy else []
        lines += [f"  terms: {one.terms}"] if one.terms else []
    Console(as_json=as_json, quiet=quiet).result({"datasets": [_plain(one) for one in found]}, lines)


def download(names: Names, as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Fetch data sets into the data folder: resumed when cut off, checked where a checksum is published."""
    from kgzsl import datasets

    console = Console(as_json=as_json, quiet=quiet)
    found = []
    for name in names:
        with console.files_fetched() as progress:
            found.append(datasets.download(name, progress=progress))
    lines = [f"{one.name}: {one.state}{f', in {one.place}' if one.place else ''}" for one in found]
    console.result({"datasets": [_plain(one) for one in found]}, lines)


def check(
    names: Annotated[list[str], typer.Argument(metavar="DATASET", help="Names or paths.")],
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Read data sets whole: bytes against published checksums, shapes, ranges, numbers, splits. Status 2 on a fault."""
    from kgzsl import datasets

    console = Console(as_json=as_json, quiet=quiet)
    found: list[dict[str, Any]] = []
    lines, problems = [], []
    for name in names:
        begun = time.perf_counter()
        faults: list[str] = []
        values: dict[str, Any] = {}
        told: list[str] = []
        try:
            if name in datasets.known():
                outcome = datasets.check(name)
                faults += outcome.problems
                values["files"] = [_plain(file) for file in outcome.files]
            if not faults:
                more, told = examine(name)
                values |= more
        except InputError as error:
            faults.append(str(error))
        seconds = time.perf_counter() - begun
        found.append({"name": name, "in_order": not faults, "problems": faults, "seconds": round(seconds, 3), **values})
        lines.append(f"{name}: {'NOT in order' if faults else 'in order'} ({seconds:.1f} s)")
        lines += [f"  {line}" for line in (faults or told)]
        problems += faults
    console.result({"datasets": found}, lines)
    if problems:
        bad = sum(not one["in_order"] for one in found)
        raise InputError(problems[0] if len(names) == 1 else f"{bad} of {len(names)} are not in order: {problems[0]}")


def _published(file: Any) -> str:
    size = "of a size that is not known" if file.size is None else f"{file.size:,} bytes"
    return f"{file.path}, {size}, " + (f"sha256 {file.sha256}" if file.sha256 else "no checksum is published")


def _plain(one: Any) -> dict[str, Any]:
    return {key: str(value) if hasattr(value, "__fspath__") else value for key, value in asdict(one).items()}
