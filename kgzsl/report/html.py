"""One self-contained page about one run."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kgzsl.report.page_parts import (
    class_graph_part,
    confusion_part,
    environment_part,
    lead,
    map_part,
    relations_part,
    result_table,
    seeds_table,
    selection_part,
    trade_part,
    verdict_lines,
)

if TYPE_CHECKING:
    from kgzsl.tasks.result import RunResult

__all__ = ["render"]

_TASKS = {
    "image_classification": "Zero-shot image classification",
    "kg_completion": "Completion of unseen relations",
}


def render(result: RunResult, environment: Mapping[str, Any]) -> str:
    """The page as text: verdicts first, then the table with its controls, then what explains them.

    Style, script and drawings are inside; nothing is loaded from anywhere. Sections whose data a run does not have are
    left out.

    Args:
        result: What the task gave, or what :meth:`kgzsl.report.RunFolder.result` read back.
        environment: What :func:`kgzsl.report.record_environment` gave.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    files = importlib.resources.files("kgzsl.report") / "page"
    read = {name: (files / name).read_text(encoding="utf-8") for name in ("page.html.j2", "page.css", "page.js")}
    engine = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = _context(result, environment)
    page["css"], page["js"] = Markup(read["page.css"]), Markup(read["page.js"])
    return engine.from_string(read["page.html.j2"]).render(page=page) + "\n"


def _title(result: RunResult) -> str:
    if result.task == "kg_completion" and not result.unseen:
        return "Completion"
    return _TASKS.get(result.task, result.task)


def _context(result: RunResult, environment: Mapping[str, Any]) -> dict[str, Any]:
    import yaml
    from markupsafe import Markup

    from kgzsl.report.figures import training_curves

    seeds = len(result.per_seed)
    about = f"{len(result.seen)} seen and {len(result.unseen)} unseen classes"
    if result.task == "kg_completion":
        about = f"{len(result.seen)} seen and {len(result.unseen)} unseen relations"
    about += f" · {seeds} seed{'' if seeds == 1 else 's'}" if seeds else ""
    about += f" · {environment['date']}" if environment.get("date") else ""
    graph = class_graph_part(result)
    if graph is not None:
        graph["svg"] = Markup(graph["svg"])
        # "<" is escaped so that no text of an ontology can end the script element.
        text = json.dumps(graph["data"], ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        graph["data"] = Markup(text)
    confusion, pairs = confusion_part(result)
    figure, classes = map_part(result)
    facts, packages, commands = environment_part(result, environment)
    table, meanings = result_table(result)
    return {
        "title": f"{_title(result)}: {result.dataset}",
        "about": about,
        "lead": lead(result),
        "verdicts": verdict_lines(result.verdicts),
        "warnings": list(result.warnings),
        "table": table,
        "meanings": meanings,
        "seeds": seeds_table(result),
        "selection": selection_part(result.selection),
        "relations": relations_part(result),
        "trade": [_drawn(figure) for figure in trade_part(result)],
        "graph": graph,
        "map": figure and _drawn(figure),
        "map_classes": classes,
        "confusion": confusion and _drawn(confusion),
        "pairs": pairs,
        "curves": [
            (stage, [_drawn(figure) for figure in figures])
            for stage, figures in training_curves(result.history).items()
        ],
        "environment": facts,
        "packages": packages,
        "commands": commands,
        "recipe": yaml.safe_dump(dict(result.recipe), sort_keys=False, allow_unicode=True, width=100),
        "version": environment.get("kgzsl", ""),
    }


def _drawn(figure: Any) -> dict[str, Any]:
    from markupsafe import Markup

    return {"key": figure.key, "title": figure.title, "caption": figure.caption, "svg": Markup(figure.svg)}
