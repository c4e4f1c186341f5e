"""``kgzsl info``: what is in a graph, a file of class vectors, a data set, a run folder or a comparison."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from kgzsl.cli.console import Console
from kgzsl.cli.options import JsonOption, QuietOption
from kgzsl.errors import InputError

__all__ = ["add"]

Told = tuple[dict[str, Any], list[str]]


def add(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(
        "info",
        short_help="What a graph, priors, data set, run or comparison holds.",
        epilog="Example: kgzsl info runs/demo/images",
    )(info)


def info(
    thing: Annotated[
        str,
        typer.Argument(
            metavar="GRAPH|PRIORS|DATASET|RUN|COMPARISON", help="A file, a folder or the name of a data set."
        ),
    ],
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say what a graph, a file of class vectors, a data set, a run folder or a comparison holds."""
    values, lines = examine(thing)
    Console(as_json=as_json, quiet=quiet).result(values, lines)


def examine(thing: str) -> Told:
    """What ``thing`` is and holds, for machines and for people.

    Raises:
        InputError: It is neither a file, a folder nor a known data set.
    """
    from kgzsl.report.run_folder import RunFolder

    path = Path(thing)
    if path.is_dir() and RunFolder(path).exists:
        return _run(RunFolder(path))
    if (path / "comparison.html").is_file() and (path / "table.csv").is_file():
        return _comparison(path)
    if path.is_dir() and _is_model(path):
        return _model(path)
    if path.is_file():
        from kgzsl.knowledge.store import is_saved_graph

        if path.suffix == ".safetensors":
            return _priors(path)
        if is_saved_graph(path) or path.suffix not in (".npz", ".mat"):
            return _graph(path)
    known = _known_graph(thing)
    if known is not None:
        return _graph(known)
    return _dataset(thing)


def _comparison(path: Path) -> Told:
    """The lines of ``kgzsl compare``, with their first figures."""
    import csv

    from kgzsl.tasks.result import HEADINGS

    with (path / "table.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    figures = [name for name in (rows[0] if rows else ()) if name in HEADINGS][:5]
    lines = [f"{len(rows)} lines compared", *(_line(row, figures) for row in rows)]
    return {"what": "comparison", "path": str(path), "rows": rows}, [*lines, f"page: {path / 'comparison.html'}"]


def _line(row: dict[str, str], figures: list[str]) -> str:
    from kgzsl.tasks.result import HEADINGS, format_value

    if row.get("problem"):
        return f"{row['name']}: {row['problem']}"
    told = ((name, row[name], row.get(f"{name}_std")) for name in figures if row[name])
    return f"{row['name']}: " + ", ".join(
        f"{HEADINGS[name]} {format_value(name, float(mean), float(std) if std else None)}" for name, mean, std in told
    )


def _known_graph(name: str) -> Path | None:
    """Where the class graph lies that goes by a known name; None for other names."""
    from kgzsl import datasets

    entry = datasets.known().get(name)
    return entry.find(datasets.data_dir()) if entry is not None and entry.task == "graph" else None


def _graph(path: Path) -> Told:
    from kgzsl.knowledge import KINDS, ClassGraph

    graph = ClassGraph.read(path)
    kinds = {KINDS[kind]: count for kind, count in sorted(Counter(graph.kinds.tolist()).items())}
    relations = Counter(graph.edge_type.tolist())
    by_relation = {graph.relations[relation]: count for relation, count in relations.most_common()}
    values = {
        "what": "class graph",
        "path": str(path),
        "nodes": graph.num_nodes,
        "edges": graph.num_edges,
        "texts": graph.texts.num_texts,
        "kinds": kinds,
        "relations": by_relation,
        "provenance": graph.provenance,
    }
    lines = [repr(graph), "nodes: " + ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())]
    lines += [f"{count:>9,}  {relation}" for relation, count in list(by_relation.items())[:30]]
    if len(by_relation) > 30:
        lines.append(f"{'':>9}  and {len(by_relation) - 30} relations more")
    return values, lines


def _priors(path: Path) -> Told:
    from kgzsl.knowledge import ClassPriors

    priors = ClassPriors.load(path)
    values = {
        "what": "class priors",
        "path": str(path),
        "classes": len(priors),
        "dimensions": priors.dim,
        "names": list(priors.names),
        "made": priors.made,
    }
    made = {key: _brief(value) for key, value in priors.made.items() if key != "columns"}
    return values, [repr(priors), f"made: {made}", "classes: " + _some(priors.names)]


def _dataset(name: str) -> Told:
    from kgzsl import datasets

    data = datasets.load(name)
    if isinstance(data, datasets.ImageFeatures):
        values: dict[str, Any] = {
            "what": "image features",
            "name": data.name,
            "rows": len(data.labels),
            "dimensions": data.dim,
            "classes": data.num_classes,
            "seen": data.seen_names,
            "unseen": data.unseen_names,
            "train": len(data.trainval_loc),
            "test_seen": len(data.test_seen_loc),
            "test_unseen": len(data.test_unseen_loc),
            "priors": {key: prior.dim for key, prior in data.priors.items()},
        }
        lines = [
            f"{data.name}: {values['rows']:,} rows of {data.dim} features, {len(data.seen)} seen and "
            f"{len(data.unseen)} unseen classes",
            f"train {values['train']:,}, test seen {values['test_seen']:,}, test unseen {values['test_unseen']:,}",
            "priors that ship with it: " + (", ".join(f"{k} [{d}]" for k, d in values["priors"].items()) or "none"),
            "unseen: " + _some(values["unseen"]),
        ]
    else:
        values = {
            "what": "knowledge graph",
            "name": data.name,
            "entities": data.num_entities,
            "relations": data.num_relations,
            "train": len(data.train),
            "valid": len(data.valid),
            "test": len(data.test),
            "seen": data.names_of(data.seen_relations),
            "unseen": data.names_of(data.unseen_relations),
        }
        lines = [
            f"{data.name}: {data.num_entities:,} entities, {len(values['seen'])} seen and "
            f"{len(values['unseen'])} unseen relations",
            f"triples: train {values['train']:,}, valid {values['valid']:,}, test {values['test']:,}",
            "unseen: " + _some(values["unseen"]),
        ]
    values |= {"graph_source": data.graph_source, "notes": list(data.notes)}
    if data.graph_source:
        lines.append(f"class graph: {data.graph_source}")
    return values, lines + [f"note: {note}" for note in data.notes]


def _run(folder: Any) -> Told:
    from kgzsl.report.page_parts import selection_part

    if not folder.complete:
        raise InputError(
            "this run is not finished", file=folder.path, remedy="go on with it: kgzsl run RECIPE --out ... --resume"
        )
    result = folder.result()
    values = {
        "what": "run",
        "path": str(folder.path),
        "task": result.task,
        "dataset": result.dataset,
        "verdicts": result.verdicts,
        "setting": result.selection.get("setting", "inductive"),
        "selection": result.selection,
        "metrics": folder.metrics,
        "environment": folder.environment,
    }
    stamp = dict(selection_part(result.selection))["setting"]
    told, more = _confidences(folder.path / "model.json")
    off, lean = (folder.metrics.get(f"kgc.confidence.{name}") for name in ("error", "lean"))
    if off is not None and lean is not None:
        from kgzsl.tasks.kg_completion.confidence_check import leaning

        others = folder.metrics.get("kgc.confidence.error_of_others")
        rest = "" if others is None else f"; {others:.3f} without what follows by the schema"
        if others is None and folder.metrics.get("kgc.confidence.follow"):
            rest = "; all of these answers follow by the schema"
        more.append(f"confidences on the test: off by {off:.3f}, {leaning(lean)}{rest}")
    return values | told, [
        *result.verdicts, "", *result.table(), "", f"setting: {stamp}", *more, f"report: {folder.report}"
    ]  # fmt: skip


_CALIBRATIONS = {
    "calibration": "confidences",
    "silent_calibration": "confidences of relations of which nothing is said",
    "bare_calibration": "confidences of relations without facts",
}


def _confidences(file: Path) -> Told:
    """How far the confidences of a run's proposals are off; nothing where its model makes no proposals."""
    from kgzsl.tasks.kg_completion.evidence.calibration import Calibration

    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}, []
    if not isinstance(about, dict) or "calibration" not in about:
        return {}, []
    if about["calibration"] is None:
        few = ": too little could be held out" if about.get("options", {}).get("calibrate") else ""
        return {"calibration": None}, [f"confidences: none{few}"]
    told = {name: about[name] for name in _CALIBRATIONS if name in about}
    try:
        lines = [f"{_CALIBRATIONS[name]}: {Calibration.from_dict(one).line()}" for name, one in told.items() if one]
    except (KeyError, TypeError):
        return {}, []
    return told, lines


def _model(folder: Path) -> Told:
    """A model that ``save`` wrote by itself, without a run around it."""
    from kgzsl.report.page_parts import selection_part

    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    options = about["options"]
    setting = about.get("setting", "inductive")
    values = {
        "what": "model",
        "path": str(folder),
        "generator": options.get("generator"),
        "classifier": options.get("classifier"),
        "dimensions": about["dim"],
        "seen": about["seen"],
        "unseen": about["unseen"],
        "setting": setting,
    }
    return values, [
        f"{values['generator'] or 'no generator'} + {values['classifier']}, {about['dim']} features, "
        f"{len(about['seen'])} seen and {len(about['unseen'])} unseen classes",
        f"setting: {dict(selection_part({'setting': setting}))['setting']}",
        "unseen: " + _some(about["unseen"]),
    ]


def _is_model(folder: Path) -> bool:
    try:
        about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(about, dict) and str(about.get("format", "")).startswith("kgzsl.zero_shot_classifier/")


def _brief(value: Any, most: int = 12) -> Any:
    """``value``, with the length in place of a list that would fill the screen."""
    return f"{len(value):,} of them" if isinstance(value, list | tuple) and len(value) > most else value


def _some(names: Any, most: int = 12) -> str:
    shown = ", ".join(list(names)[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
