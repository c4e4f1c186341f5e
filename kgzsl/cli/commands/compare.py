"""``kgzsl compare``: priors x generators x classifiers into one table and one page."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from kgzsl.cli.console import Console
from kgzsl.cli.options import JsonOption, QuietOption, SetOption, TrackOption
from kgzsl.cli.recipes import complete_recipe
from kgzsl.errors import InputError

__all__ = ["add"]

_CHOICES = "Names with commas between, + joins; or one as YAML: '{name: transe, dim: 64}'. Repeatable."


def add(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(
        "compare",
        short_help="Priors x generators x classifiers into one table and one page.",
        epilog="Example: kgzsl compare flowers --generators linear,wgan --classifiers softmax,gda --out runs/all",
    )(compare)


def compare(
    context: typer.Context,
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="What all cells share: a YAML file or a shipped recipe.",
            autocompletion=complete_recipe,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write; begun before, it is gone on with.")],
    priors: Annotated[list[str] | None, typer.Option("--priors", help=_CHOICES, show_default=False)] = None,
    generators: Annotated[
        list[str] | None, typer.Option("--generators", help=f"none, wgan, ... {_CHOICES}", show_default=False)
    ] = None,
    classifiers: Annotated[list[str] | None, typer.Option("--classifiers", help=_CHOICES, show_default=False)] = None,
    changes: SetOption = None,
    seeds: Annotated[int | None, typer.Option(help="How many seeds.", min=1, show_default=False)] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.", show_default=False)] = None,
    precision: Annotated[
        str | None, typer.Option(help="auto, 32-true, bf16-mixed or 64-true.", show_default=False)
    ] = None,
    across_settings: Annotated[
        bool,
        typer.Option(
            "--across-settings", help="Let methods that look at unlabelled data stand beside others, each stamped."
        ),
    ] = False,
    track: TrackOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run every combination, each into a folder of its own; the same command again goes on where it stopped."""
    from kgzsl.cli.comparing import run_cells
    from kgzsl.cli.execution import read_recipe
    from kgzsl.cli.grid import cells, choices
    from kgzsl.cli.recipes import find_recipe

    console = Console(as_json=as_json, quiet=quiet)
    base = read_recipe(find_recipe(recipe), changes or (), seeds=seeds, device=device, precision=precision)
    choice = (choices(priors), choices(generators), choices(classifiers))
    grid = cells(base, *choice, across_settings=across_settings)
    if out.exists() and not out.is_dir():
        raise InputError("this is a file, and a comparison needs a folder", file=out, remedy="choose another --out")
    try:
        lines, table = run_cells(grid, base, out, console, command=context.obj, track=track or ())
    except KeyboardInterrupt:
        print(f"kgzsl: interrupted; the same command goes on: {shlex.join(context.obj)}", file=sys.stderr)
        raise typer.Exit(130) from None
    values: dict[str, Any] = {"table": str(out / "table.csv"), "report": str(out / "comparison.html"), "cells": lines}
    console.result(values, [*table, "", f"table: {out / 'table.csv'}", f"report: {out / 'comparison.html'}"])
