"""``kgzsl run``: a recipe to a run folder."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from kgzsl.cli.console import Console
from kgzsl.cli.options import (
    JsonOption,
    MemoryOption,
    QuietOption,
    SetOption,
    TrackOption,
    UnseenRelationsOption,
    listed,
)
from kgzsl.cli.recipes import complete_recipe
from kgzsl.errors import InputError

__all__ = ["add"]


def add(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(
        "run",
        short_help="A recipe to a run folder with a report.",
        epilog="Example: kgzsl run flowers --set generator.hidden=1024 --seeds 3 --out runs/flowers",
    )(run)


def run(
    context: typer.Context,
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="A YAML file, a run folder, or the name of a shipped recipe.",
            autocompletion=complete_recipe,
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The run folder to write.", show_default=False)
    ] = None,
    changes: SetOption = None,
    prior: Annotated[
        str | None,
        typer.Option("--prior", help="Priors in place of the recipe's: auto, or attributes+text.", show_default=False),
    ] = None,
    unseen_relations: UnseenRelationsOption = None,
    seeds: Annotated[int | None, typer.Option(help="How many seeds.", min=1, show_default=False)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run that is in the folder.")] = False,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.", show_default=False)] = None,
    devices: Annotated[int | None, typer.Option(help="Devices that train together.", min=1, show_default=False)] = None,
    precision: Annotated[
        str | None, typer.Option(help="auto, 32-true, bf16-mixed or 64-true.", show_default=False)
    ] = None,
    memory_budget: MemoryOption = None,
    parquet: Annotated[bool, typer.Option("--parquet", help="Write the predictions as Parquet, not CSV.")] = False,
    track: TrackOption = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the recipe with every default, and stop.")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run a recipe, with all its controls, into a folder with a report."""
    from kgzsl.cli.commands.import_graph import READING
    from kgzsl.cli.execution import execute, read_recipe
    from kgzsl.cli.recipes import find_recipe
    from kgzsl.cli.wording import in_options

    console = Console(as_json=as_json, quiet=quiet)
    found = read_recipe(
        find_recipe(recipe),
        changes or (),
        priors=prior,
        seeds=seeds,
        device=device,
        devices=devices,
        precision=precision,
        memory_budget=memory_budget,
        unseen_relations=listed(unseen_relations),
    )
    if print_config:
        print(found.to_yaml(), end="")
        return
    if out is None:
        raise typer.BadParameter("a run needs a folder: add --out DIR")
    try:
        result, folder = execute(
            found,
            out,
            console,
            resume=resume,
            overwrite=overwrite,
            parquet=parquet,
            command=context.obj,
            track=track or (),
        )
    except InputError as error:
        raise in_options(error, READING, " (options of kgzsl import, whose graph a recipe takes too)") from None
    except KeyboardInterrupt:
        again = [word for word in context.obj if word not in ("--resume", "--overwrite")]
        hint = shlex.join([*again, "--resume"])
        print(f"kgzsl: interrupted; go on with: {hint}", file=sys.stderr)
        raise typer.Exit(130) from None
    values = {
        "run": str(folder.path),
        "report": str(folder.report),
        "verdicts": result.verdicts,
        "warnings": result.warnings,
        "metrics": result.to_metrics(),
    }
    console.result(values, [*result.table(), "", *result.verdicts, *result.warnings, "", f"report: {folder.report}"])
