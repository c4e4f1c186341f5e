"""``kgzsl recipes``: what ships, and what each is about."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import dropwhile, takewhile
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
        about = _first_sentence(lines)
        task = next((line.partition(":")[2].strip() for line in lines if line.startswith("task:")), "")
        found.append({"name": known, "task": task, "about": about})
    width = max((len(one["name"]) for one in found), default=0)
    console.result({"recipes": found}, [f"{one['name'].ljust(width)}  {one['about']}" for one in found])


def _first_sentence(lines: Sequence[str]) -> str:
    """Of the comment that a recipe begins with, whatever lines it is spread over."""
    begun = dropwhile(lambda line: not line.startswith("# "), lines)
    comment = takewhile(lambda line: line.startswith("# "), begun)
    first, dot, _ = " ".join(line.removeprefix("# ").strip() for line in comment).partition(". ")
    return first + dot.rstrip()
