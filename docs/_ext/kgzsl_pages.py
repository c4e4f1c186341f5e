"""Pages written from the code: a page per method, the recipe's keys, the commands, the classes.

Nothing here is kept in the repository: the pages are made in ``docs/generated`` whenever the documentation is built, so
they cannot say anything else than the code does.
"""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

__all__ = ["setup", "write_pages"]

_AREAS = ("knowledge", "priors", "generators", "classifiers", "datasets", "tasks", "engine", "report", "recipe")
_KINDS = {
    "prior encoder": ("priors", "encoders", "Prior encoders", "priors: [{{name: {name}}}]"),
    "generator": ("generators", "generators", "Feature generators", "generator: {{name: {name}}}"),
    "classifier": ("classifiers", "classifiers", "Classifiers", "classifier: {{name: {name}}}"),
}
# The paradigms of Chen et al., "Zero-Shot and Few-Shot Learning With Knowledge Graphs: A Comprehensive Survey"
# (Proceedings of the IEEE 111, 2023), by where a component lives; the first entry that fits counts.
_PARADIGMS = (
    (
        "kgzsl.priors.propagation",
        "propagation-based: class vectors, or classifier weights, spread over the class graph",
    ),
    ("kgzsl.classifiers.graph_network", "propagation-based: a graph network gives the weights of unseen classes"),
    ("kgzsl.classifiers.multi_view", "propagation-based: labels spread over a graph of samples and classes"),
    ("kgzsl.classifiers.propagation", "propagation-based: labels spread over a graph of samples and classes"),
    ("kgzsl.classifiers.compositional", "propagation-based: a graph network over states, objects and their pairs"),
    ("kgzsl.priors", "side information: class vectors that the methods of every paradigm can take"),
    ("kgzsl.generators", "data augmentation: features of unseen classes are generated"),
    ("kgzsl.classifiers.prior_classifier", "mapping-based: features and class vectors are compared in one space"),
    ("kgzsl.classifiers", "decision: trained on real and generated features, or answering from class vectors"),
)


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir)))
    app.connect("autodoc-process-docstring", _escape_bars)
    return {"parallel_read_safe": True}


def _escape_bars(*arguments: Any) -> None:
    """``|x|`` in a docstring is a norm, and no substitution of reST."""
    lines = arguments[-1]
    for row, line in enumerate(lines):
        parts = re.split(r"(``.*?``)", line)
        lines[row] = "".join(part if part.startswith("``") else part.replace("|", r"\|") for part in parts)


def write_pages(docs: Path) -> list[Path]:
    """Write all generated pages under ``docs/generated``; returns them."""
    out = docs / "generated"
    pages = {
        "cli.md": _cli(),
        "recipe.md": _recipe(),
        "datasets.md": _datasets(),
        "benchmarks.md": _benchmarks(docs),
        **{f"api/{area}.md": _api(area) for area in _AREAS},
        **_methods(),
    }
    written = []
    for name, text in pages.items():
        file = out / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
        written.append(file)
    for stale in set(out.rglob("*.md")) - set(written):
        stale.unlink()
    return written


# ------------------------------------------------------------------------------------------------------------ methods


def _methods() -> dict[str, str]:
    pages: dict[str, str] = {}
    index = ["# Methods", "", "One page for each component that recipes know by name.", ""]
    for kind, (package, attribute, title, use) in _KINDS.items():
        resolver = getattr(importlib.import_module(f"kgzsl.{package}"), attribute)
        index += [f"## {title}", "", "| name | what it is |", "|---|---|"]
        first: dict[type, str] = {}
        listed = []
        for name in resolver.names:
            cls = resolver.find(name)
            page = f"methods/{package}/{name}.md"
            about = _cell(_first_line(cls))
            if cls in first:
                about = f"the same as `{first[cls]}`"
                index.append(f"| [`{name}`]({package}/{first[cls]}.md) | {about} |")
                continue
            first[cls] = name
            index.append(f"| [`{name}`]({package}/{name}.md) | {about} |")
            listed.append(f"{package}/{name}")
            pages[page] = _method(name, kind, cls, use.format(name=name))
        index += ["", "```{toctree}", ":hidden:", "", *listed, "```", ""]
    pages["methods/index.md"] = "\n".join(index)
    return pages


def _method(name: str, kind: str, cls: type, use: str) -> str:
    lines = [f"# {name}", "", f"*{kind[0].upper()}{kind[1:]}*, `{cls.__module__}.{cls.__qualname__}`", ""]
    if getattr(cls, "setting", "inductive") == "transductive":
        use += "\nunlabeled: test"
        lines += ["Transductive: it looks at unlabelled rows, from Python by `fit(..., unlabeled=X)`.", ""]
    lines += ["In a recipe:", "", "```yaml", use, "```", ""]
    lines += [f"Paradigm: {paradigm(cls)}.", ""]
    lines += ["## What it computes, and after which paper", "", *_autoclass(cls, members=False), ""]
    lines += ["## Options", "", "| option | default | what it does |", "|---|---|---|"]
    told = _arguments(cls)
    for option in inspect.signature(cls).parameters.values():
        if option.kind in (option.VAR_KEYWORD, option.VAR_POSITIONAL):
            continue
        default = "required" if option.default is option.empty else f"`{option.default!r}`"
        lines.append(f"| `{option.name}` | {_cell(default)} | {_cell(told.get(option.name, ''))} |")
    return "\n".join([*lines, ""])


def paradigm(cls: type) -> str:
    """Which paradigm of the survey a component belongs to."""
    homes = [base.__module__ for base in cls.__mro__]
    return next(said for place, said in _PARADIGMS if any(home.startswith(place) for home in homes))


def _arguments(cls: type) -> dict[str, str]:
    """Option to its description, from the ``Args:`` of the class and of its bases."""
    found: dict[str, str] = {}
    for base in cls.__mro__:
        text = inspect.cleandoc(base.__dict__.get("__doc__") or "")
        section = re.search(r"^Args:\n((?:[ ]+.*\n?|\n)*)", text, re.MULTILINE)
        if section is None:
            continue
        for entry in re.split(r"\n(?=    \S)", section[1].rstrip()):
            match = re.match(r"\s*([\w, ]+?)(?: \([^)]*\))?:\s*(.*)", entry, re.DOTALL)
            if match:
                for option in match[1].split(","):
                    found.setdefault(option.strip(), " ".join(match[2].split()))
    return found


def _first_line(cls: type) -> str:
    return inspect.cleandoc(cls.__doc__ or "").partition("\n")[0]


def _cell(text: str) -> str:
    """reST to what a cell of a Markdown table holds."""
    text = re.sub(r":\w+:`~?\.?([^`]+)`", r"`\1`", text)
    text = re.sub(r"``(.+?)``", r"`\1`", text)
    return " ".join(text.replace("|", "\\|").split())


# ---------------------------------------------------------------------------------------------------------- reference


def _autoclass(cls: Any, *, members: bool = True) -> list[str]:
    kind = "autoclass" if inspect.isclass(cls) else "autofunction"
    lines = ["```{eval-rst}", f".. {kind}:: {cls.__module__}.{cls.__qualname__}"]
    if inspect.isclass(cls) and members:
        lines.append("   :members:")
        if any(base.__module__.rpartition(".")[2].startswith("_") for base in cls.__mro__):
            lines.append("   :inherited-members:")  # what such a base offers has no page of its own
    if not members:
        lines.append("   :no-index:")
    return [*lines, "```"]


def _api(area: str) -> str:
    module = importlib.import_module(f"kgzsl.{area}")
    lines = [f"# kgzsl.{area}", "", _cell(inspect.cleandoc(module.__doc__ or "").partition("\n\n")[0]), ""]
    for name in sorted(module.__all__, key=str.lower):
        thing = getattr(module, name)
        if inspect.ismodule(thing):
            lines += [*_area_of_task(thing)]
        elif (inspect.isclass(thing) or inspect.isfunction(thing)) and thing.__module__.startswith(f"kgzsl.{area}"):
            lines += [f"## {name}", "", *_autoclass(thing), ""]
    return "\n".join(lines)


def _area_of_task(module: Any) -> list[str]:
    lines = []
    for name in sorted(module.__all__, key=str.lower):
        thing = getattr(module, name)
        if name not in ("RelationCompleter", "ZeroShotClassifier"):
            lines += [f"## {module.__name__.removeprefix('kgzsl.')}.{name}", "", *_autoclass(thing), ""]
    return lines


def _cli() -> str:

    import typer

    from kgzsl.cli.app import app

    group: Any = typer.main.get_command(app)
    context = group.context_class(group, info_name="kgzsl")
    lines = [
        "# Commands",
        "",
        "Every command takes `--help`. Status 0: done. 2: bad input, told in one line. 1: a defect.",
    ]
    lines += ["130: interrupted.", ""]
    for path, command in _commands(group, "kgzsl"):
        help_text = inspect.cleandoc(command.help or command.short_help or "")
        lines += [f"## {path}", "", _cell(help_text), "", "```text"]
        lines += [command.get_usage(command.context_class(command, info_name=path))]
        lines += ["```", "", "| argument | what it does |", "|---|---|"]
        for parameter in command.get_params(context):
            names = ", ".join(getattr(parameter, "opts", [])) if parameter.param_type_name == "option" else ""
            shown = names or (parameter.metavar or parameter.name.upper())
            lines.append(f"| `{_cell(shown)}` | {_cell(getattr(parameter, 'help', '') or '')} |")
        lines.append("")
        if command.epilog:
            lines += [_cell(command.epilog).replace("Example: ", "Example: `") + "`", ""]
    return "\n".join(lines)


def _commands(group: Any, path: str) -> list[tuple[str, Any]]:
    found = []
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            found += _commands(command, f"{path} {name}")
        else:
            found.append((f"{path} {name}", command))
    return found


def _recipe() -> str:
    from kgzsl import recipe

    lines = [
        "# Recipes",
        "",
        "The keys that a recipe knows. `kgzsl run RECIPE --print-config` prints one with every",
        "",
    ]
    lines[2] += " default written out; a key that is not here is refused."
    sections = ("GraphSpec", "PriorSpec", "ClassifierSpec", "RelevanceSpec", "UnlabeledSpec")
    for name in ("ImageRecipe", "CompletionRecipe", *sections):
        lines += _model(name, getattr(recipe, name))
    for name in ("ImageProtocolSpec", "CompletionProtocolSpec", "TrainSpec"):
        lines += _model(name, getattr(recipe, name))
    return "\n".join(lines)


def _model(name: str, model: Any) -> list[str]:
    lines = [
        f"## {name}",
        "",
        _cell(inspect.cleandoc(model.__doc__ or "")),
        "",
        "| key | type | default |",
        "|---|---|---|",
    ]
    for key, field in model.model_fields.items():
        default = "required" if field.is_required() else f"`{_short(field.get_default(call_default_factory=True))}`"
        lines.append(f"| `{key}` | `{_cell(_type(field.annotation))}` | {_cell(default)} |")
    return [*lines, ""]


def _type(annotation: Any) -> str:
    """A type as a person writes it, without what checks it."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(inside[0])
    if origin is Literal:
        return " or ".join(map(repr, inside))
    if origin in (Union, UnionType):
        return " or ".join(_type(one) for one in inside if one is not type(None))
    if origin is not None:
        return f"{origin.__name__} of {', '.join(_type(one) for one in inside)}"
    return getattr(annotation, "__name__", str(annotation))


def _short(value: Any) -> str:
    return str(value.model_dump(exclude_none=True)) if hasattr(value, "model_dump") else repr(value)


def _datasets() -> str:
    from kgzsl import datasets

    lines = [
        "# Known data sets",
        "",
        "`kgzsl datasets status NAME` says where each is looked for and what is missing.",
        "",
    ]
    lines += ["| name | task | what it is | lies in | published |", "|---|---|---|---|---|"]
    for name in datasets.names():
        entry = datasets.known()[name]
        source = "made here" if entry.embedded else "`$KGZSL_DATA/" + entry.places[0] + "`"
        now = datasets.status(name, "nowhere")
        size = "" if now.download_size is None else f"{now.download_size:,} bytes"
        sums = "with checksums" if now.files and all(file.sha256 for file in now.files) else ""
        told = ", ".join(filter(None, (size, sums, now.terms if not entry.embedded else "")))
        lines.append(f"| `{name}` | {entry.task} | {_cell(entry.about)} | {source} | {_cell(told)} |")
    return "\n".join([*lines, ""])


def _benchmarks(docs: Path) -> str:
    written = sorted(file for file in (docs / "benchmarks").glob("*.md") if file.name != "README.md")
    lines = [
        "# Benchmarks",
        "",
        "Written by `kgzsl bench` and the scripts in `examples/benchmarks`, never by hand.",
        "",
    ]
    if written:
        lines += ["```{toctree}", "", *(f"../benchmarks/{file.stem}" for file in written), "```", ""]
    else:
        lines += ["None is here yet: `kgzsl bench` lists those that can be run.", ""]
    return "\n".join(lines)
