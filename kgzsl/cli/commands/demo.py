"""``kgzsl demo``: both tasks on the embedded data sets, with all controls; no download, no server."""

from __future__ import annotations

import resource
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from kgzsl.cli.console import Console
from kgzsl.cli.options import JsonOption, QuietOption
from kgzsl.errors import InputError, nearest

__all__ = ["add"]

_PARTS = {"images": "latin_characters", "kgc": "geography"}


def add(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(
        "demo",
        short_help="Both tasks on embedded data, with all controls.",
        epilog="Example: kgzsl demo all --out runs/demo --seeds 1",
    )(demo)


def demo(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="[images|kgc|all]", help="Which task to show.")] = "all",
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the run folders go.")] = Path("runs/demo"),
    seeds: Annotated[int, typer.Option(help="How many seeds; with 5 the tables show the spread.", min=1)] = 1,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Recognise letters never shown, and complete relations never seen, each from an ontology. Minutes on two cores."""
    from kgzsl.cli.execution import execute, read_recipe
    from kgzsl.cli.recipes import find_recipe

    if what not in (*_PARTS, "all"):
        close = nearest(what, (*_PARTS, "all"))
        raise InputError(
            f"there is no demo {what!r}", remedy=f"did you mean {close[0]}?" if close else "choose images, kgc or all"
        )
    console = Console(as_json=as_json, quiet=quiet)
    begun = time.perf_counter()
    parts: dict[str, Any] = {}
    for part in _PARTS if what == "all" else [what]:
        recipe = read_recipe(find_recipe(_PARTS[part]), seeds=seeds)
        console.note(f"{part}: {_PARTS[part]}, {seeds} seed{'s' if seeds > 1 else ''}, with all controls")
        try:
            result, folder = execute(recipe, out / part, console, overwrite=True, command=context.obj)
        except KeyboardInterrupt:
            again = ["kgzsl", "run", _PARTS[part], "--seeds", str(seeds), "--out", str(out / part), "--resume"]
            print(f"kgzsl: interrupted; go on with this part by: {shlex.join(again)}", file=sys.stderr)
            raise typer.Exit(130) from None
        if not as_json:
            console.result({}, ["", *result.table(), "", *result.verdicts, *result.warnings, ""])
        parts[part] = {
            "run": str(folder.path),
            "report": str(folder.report),
            "table": result.table(),
            "verdicts": result.verdicts,
            "warnings": result.warnings,
            "metrics": result.to_metrics(),
        }
    seconds, memory = time.perf_counter() - begun, peak_memory_mb()
    values = {"seconds": round(seconds, 1), "peak_memory_mb": round(memory), "parts": parts}
    lines = [f"report: {part['report']}" for part in parts.values()]
    console.result(values, [*lines, f"done in {seconds:.0f} s, {memory:.0f} MB of memory at most"])


def peak_memory_mb() -> float:
    """The highest resident memory of this process, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / 1024
