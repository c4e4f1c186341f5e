"""``kgzsl recipes``: what ships, and what each is about."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kgzsl.cli.console import Console
from kgzsl.cli.options import JsonOption, QuietOption

__all__ = ["add"]


def add(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(
        "recipes",
        short_help="The recipes that ship, or one of them as YAML.",
        epilog="Example: kgzsl recipes flowers > mine.yaml",
    )(recipes)


def recipes(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Print this one as it is written.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """List the recipes that ship with kgzsl, or print one to begin your own with."""
    from kgzsl.cli.recipes import find_recipe, shipped_recipes

    console = Console(as_json=as_json, quiet=quiet)
    if name is not None:
        text = find_recipe(name).read_text(encoding="utf-8")
        console.result({"name": name, "recipe": text}, text.rstrip("\n").split("\n"))
        return
    found: list[dict[str, Any]] = []
    for known, file in shipped_recipes().items():
        lines = file.read_text(encoding="utf-8").splitlines()
        about = next((line.lstrip("# ") for line in lines if line.startswith("# ")), "")
        task = next((line.partition(":")[2].strip() for line in lines if line.startswith("task:")), "")
        found.append({"name": known, "task": task, "about": about})
    width = max((len(one["name"]) for one in found), default=0)
    console.result({"recipes": found}, [f"{one['name'].ljust(width)}  {one['about']}" for one in found])
