"""The table of image methods: every method on every data set; resumable, within a time budget."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

from kgzsl._files import atomic_text
from kgzsl.benchmarks.cells import is_done, keep_row, measured_apart, read_rows, without_figures
from kgzsl.benchmarks.images_beside import BESIDE
from kgzsl.benchmarks.images_cell import DATASETS, METHODS, measure, recipe_of
from kgzsl.benchmarks.images_page import page
from kgzsl.benchmarks.images_retrieval import RETRIEVAL, RETRIEVAL_RUN
from kgzsl.errors import InputError, nearest

__all__ = ["PRIORS", "WORDNET_PRIORS", "run"]

# Methods that large sets with leaks of the backbone are measured with: closed forms and the best generators.
_SMALL = (
    *("ESZSL", "SAE", "nearest prior", "prototypes"),
    *("linear", "linear + ESZSL", "linear, Gaussian head", "f-CLSWGAN", "LisGAN"),
)
_KNOWLEDGE = ("linear", "ESZSL", "nearest prior", "prototypes")
#: Of one prior alone, since it trains networks.
_KNOWLEDGE_TOO = {"shipped and weighted ontology": ("deep prototypes, bias by margins",)}
_WEIGHT = {"flo": 0.1, "awa1_handcrafted": 0.5}  # as in the recipes flowers_best and awa1_best

#: What knowledge is worth: prior to what its recipes have. ``{graph}`` is the data set's ontology, ``{weight}`` how
#: much it counts beside the shipped prior.
PRIORS: dict[str, dict[str, Any]] = {
    "ontology": {"priors": [{"name": "attributes", "graph": "{graph}"}], "controls": ["shuffled"]},
    "text of the ontology": {"priors": [{"name": "tfidf", "dim": 64, "graph": "{graph}"}]},
    "ontology and its text": {
        "priors": [{"name": "attributes", "graph": "{graph}"}, {"name": "tfidf", "dim": 64, "graph": "{graph}"}],
        "controls": ["shuffled"],
    },
    "shipped and ontology": {"priors": [{"name": "att"}, {"name": "attributes", "graph": "{graph}"}]},
    "shipped and weighted ontology": {
        "priors": [{"name": "att"}, {"name": "attributes", "graph": "{graph}", "weight": "{weight}"}]
    },
}

_WORDS = {"name": "text", "graph": "{words}"}

#: The same for data sets whose classes are WordNet's: ``{words}`` is the file of its labels, read as a graph.
WORDNET_PRIORS: dict[str, dict[str, Any]] = {
    "ontology": {"priors": [{"name": "attributes"}], "controls": ["shuffled"]},
    "text of the ontology": {"priors": [_WORDS]},
    "ontology and its text": {"priors": [{"name": "attributes"}, _WORDS]},
}


def run(
    device: str = "auto",
    *,
    out: str = "docs/benchmarks/images.md",
    datasets: Sequence[str] = tuple(DATASETS),
    methods: Sequence[str] = (*METHODS, *BESIDE, *RETRIEVAL),
    seeds: int = 3,
    options: Mapping[str, Any] | None = None,
    knowledge: bool = True,
    budget: float = 7200.0,
    cell_budget: float = 1800.0,
    isolated: bool = True,
) -> dict[str, Any]:
    """Fill the table as far as the budget goes, and write it.

    What was measured is kept beside the page (``.jsonl``), one line for each cell, and what a cell had done when it was
    ended lies in a folder beside it, so that the next call goes on.

    Args:
        device: As for :class:`Engine`.
        out: The Markdown file.
        datasets: Names or paths of image data sets, best known those of :data:`DATASETS`.
        methods: Names of :data:`METHODS`, :data:`BESIDE` and :data:`RETRIEVAL`.
        seeds: How many for each cell.
        options: Options of generators in place of those of :data:`METHODS`, where they have them: ``{"epochs": 2}``.
        knowledge: Whether to add the comparison of priors, :data:`PRIORS` and :data:`WORDNET_PRIORS`.
        budget: Seconds after which no further cell is begun.
        cell_budget: Seconds that a cell may take; it is ended then, and goes on in the next call.
        isolated: Whether each cell is a process of its own, so that its memory is its own.

    Returns:
        The report, see :func:`kgzsl.benchmarks.run`, with ``rows`` and ``left_out``.

    Raises:
        InputError: An unknown method.
    """
    known = (*METHODS, *BESIDE, *RETRIEVAL)
    for name in methods:
        if name not in known:
            close = nearest(name, known)
            raise InputError(
                f"no method of the table is called {name!r}",
                remedy=f"did you mean {close[0]!r}?" if close else ", ".join(known),
            )
    begun = time.perf_counter()
    kept = Path(out).with_suffix(".jsonl")
    done = read_rows(kept, _key)
    left: list[dict[str, Any]] = []
    cells = _cells(datasets, methods, seeds, dict(options or {}), device, knowledge)
    for cell in cells:
        key = _key(cell)
        # A recipe that was ended goes on where it stopped; what has no recipe would begin anew each time.
        kept_row = done.get(key)
        if kept_row is not None and (
            "metrics" in kept_row or (cell["method"] in BESIDE and is_done(kept_row, cell_budget))
        ):
            continue
        rest = budget - (time.perf_counter() - begun)
        if rest <= 0:
            left.append({**cell, "problem": "not begun: the time budget was spent"})
            done.pop(key, None)  # what an earlier try of it ran into
            continue
        folder = Path(out).with_suffix("") / _file_name(cell)
        work = {**cell, "folder": str(folder)}
        found = (
            measured_apart("kgzsl.benchmarks.images_cell", work, min(cell_budget, rest)) if isolated else _here(work)
        )
        done[key] = {**cell, **found}
        keep_row(kept, done[key])
        _write(out, cells, done, left)
    _write(out, cells, done, left)
    rows = [done[_key(cell)] for cell in cells if _key(cell) in done]
    return {
        "name": "images",
        "ours_s": sum(row.get("seconds", 0.0) for row in rows),
        "baseline_s": None,
        "ratio": None,
        "spread": None,
        "unit": "seconds of selection and training, all cells",
        "checked": "selection on held-out seen classes; test labels used once",
        "sizes": {"cells": len(cells), "datasets": list(datasets), "methods": list(methods), "seeds": seeds},
        "out": str(out),
        "rows": rows,
        "left_out": without_figures([*rows, *left], ("dataset", "method", "prior")),
    }


def _cells(
    datasets: Sequence[str],
    methods: Sequence[str],
    seeds: int,
    options: dict[str, Any],
    device: str,
    knowledge: bool,
) -> list[dict[str, Any]]:
    cells = []
    shared = {"seeds": seeds, "options": options, "device": device}
    for dataset in datasets:
        cells += [
            {"dataset": dataset, "method": method, "prior": "", **shared}
            for method in methods
            if method in _measured(dataset)
        ]
    for dataset in datasets if knowledge else ():
        for prior, filled in _changes(dataset).items():
            cells += [
                {"dataset": dataset, "method": method, "prior": prior, **filled, **shared}
                for method in (*_KNOWLEDGE, *_KNOWLEDGE_TOO.get(prior, ()))
                if method in methods
            ]
    return [{**cell, "recipe": _digest(cell)} for cell in cells]


def _measured(dataset: str) -> tuple[str, ...]:
    """The methods that make sense on a data set, and that its size allows."""
    about = DATASETS.get(dataset, {})
    if "methods" in about:
        return tuple(about["methods"])
    if about.get("small"):
        return (*_SMALL, *RETRIEVAL)
    return (*(name for name, told in METHODS.items() if "pairs" not in told), *BESIDE, *RETRIEVAL)


def _digest(cell: Mapping[str, Any]) -> str:
    """Of the cell's recipe, so that what was measured with another one does not count."""
    if cell["method"] in RETRIEVAL and cell["method"] != RETRIEVAL_RUN:
        about: dict[str, Any] = {"retrieval": cell["method"], "grid": dict(RETRIEVAL[cell["method"]].grid)}
    else:
        about = {"beside": cell["method"]} if cell["method"] in BESIDE else recipe_of(cell)
    about.pop("train", None)
    return sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]


def _changes(dataset: str) -> dict[str, dict[str, Any]]:
    """The priors to compare on a data set: name to what its recipes have."""
    about = DATASETS.get(dataset, {})
    if "ontology" in about:
        text = json.dumps(PRIORS).replace("{graph}", about["ontology"])
        return dict(json.loads(text.replace('"{weight}"', str(_WEIGHT[dataset]))))
    if "as" in about and "methods" not in about:
        graph = recipe_of({"dataset": dataset, "method": "linear", "seeds": 1})["graph"]
        words = {
            "source": str(PurePosixPath(graph["source"]).with_name("words.txt.gz")),
            "options": {"columns": ["subject", "object"], "relation": "rdfs:label"},
            "mapping": graph.get("mapping"),
        }
        return dict(json.loads(json.dumps(WORDNET_PRIORS).replace('"{words}"', json.dumps(words))))
    return {}


def _here(cell: dict[str, Any]) -> dict[str, Any]:
    try:
        return measure(cell)
    except InputError as error:
        return {"problem": str(error)}


def _key(cell: Mapping[str, Any]) -> str:
    told = [cell[name] for name in ("dataset", "method", "prior", "seeds", "options", "recipe")]
    return json.dumps(told, sort_keys=True)


def _file_name(cell: Mapping[str, Any]) -> str:
    words = "-".join([Path(str(cell["dataset"])).stem, str(cell["method"]), str(cell["prior"])])
    clean = "".join(c if c.isalnum() else "-" for c in words).strip("-")
    return f"{clean}-{sha256(_key(cell).encode()).hexdigest()[:8]}"


def _write(
    out: str, cells: Sequence[dict[str, Any]], done: Mapping[str, dict[str, Any]], left: list[dict[str, Any]]
) -> None:
    import torch

    threads = torch.get_num_threads()
    machine = f"{platform.machine()}, {threads} thread{'s' * (threads != 1)}, PyTorch {torch.__version__}"
    if torch.cuda.is_available():
        machine = f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}"
    rows = [done[_key(cell)] for cell in cells if _key(cell) in done]
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    atomic_text(Path(out), page(rows, left, machine))
