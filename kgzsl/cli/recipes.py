"""Recipes by path, or by the name of one that ships with the project."""

from __future__ import annotations

from pathlib import Path

from kgzsl.errors import InputError, nearest

__all__ = ["complete_recipe", "find_recipe", "shipped_recipes"]


def shipped_recipes() -> dict[str, Path]:
    """Name to file: beside the package in a checkout, inside it in an installed wheel."""
    package = Path(__file__).resolve().parents[1]
    found: dict[str, Path] = {}
    for folder in (package.parent / "examples" / "recipes", package / "_recipes"):
        for file in sorted(folder.glob("*.yaml")):
            found.setdefault(file.stem, file)
    return found


def complete_recipe(incomplete: str) -> list[str]:
    """What a shell offers after ``kgzsl run``: shipped recipes, YAML files and folders that begin so."""
    names = [name for name in shipped_recipes() if name.startswith(incomplete)]
    folder, _, begun = incomplete.rpartition("/")
    base = f"{folder}/" if "/" in incomplete else ""
    try:
        beside = sorted(Path(base or ".").iterdir())
    except OSError:
        return names
    for path in beside:
        if path.name.startswith(begun) and (begun or not path.name.startswith(".")):
            if path.is_dir():
                names.append(f"{base}{path.name}/")
            elif path.suffix in (".yaml", ".yml"):
                names.append(base + path.name)
    return names


def find_recipe(given: str) -> Path:
    """The file of a recipe.

    Raises:
        InputError: It is neither a file nor the name of a shipped recipe; the nearest known one is given.
    """
    path = Path(given)
    if path.is_file():
        return path
    shipped = shipped_recipes()
    if given in shipped:
        return shipped[given]
    if path.is_dir() and (path / "recipe.yaml").is_file():
        return path / "recipe.yaml"
    close = nearest(path.stem, shipped)
    known = ", ".join(sorted(shipped)) or "none"
    raise InputError(
        "there is no such recipe",
        file=given,
        remedy=f"did you mean {close[0]}? Shipped recipes: {known}" if close else f"shipped recipes: {known}",
    )
