"""One cell of the table of completion: one method on one data set with one seed."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kgzsl.benchmarks.kgc_kept import KeptScores, kept_priors, kept_rmpi, overlap_model, popularity_model
from kgzsl.benchmarks.kgc_recipes import PAPERS, measure_paper, measure_recipe
from kgzsl.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from kgzsl.datasets import KGSplit
    from kgzsl.knowledge import ClassGraph, ClassPriors
    from kgzsl.tasks.kg_completion.inductive import InductiveTask

__all__ = ["CHECKPOINT", "EXTENDED", "PUBLISHED", "SCHEMAS", "data_file", "measure"]

# Data set (the beginning of its name) -> the schema of its relations, under the data folder.
SCHEMAS = {
    "nell": "kg/nell_schema/Schema-NELL.ttl",
    "ingram_nl": "kg/nell_schema/Schema-NELL.ttl",
    "ingram_wk": "kg/wiki_zs/schema/Schema-Wiki.ttl",
}
CHECKPOINT = "kg/ultra/ultra_3g.pth"
"""ULTRA's public weights, under the data folder."""
EXTENDED = ("nell_ext", "fb_ext")
"""How data sets begin that have a graph to train on and another, beside it, that is given when one is asked."""
PUBLISHED = "@49"
"""How data sets end that are asked by RMPI's protocol: drawn entities, the graph given at test time alone."""
# Parts of RMPI that are left out, by the names that its paper has for what is left.
_RMPI: dict[str, dict[str, bool]] = {
    "rmpi": {},
    "rmpi, shuffled": {},
    "rmpi, no schema": {},
    "rmpi base, no schema": {"attention": False, "surroundings": False},
    "rmpi NE, no schema": {"attention": False},
    "rmpi TA, no schema": {"surroundings": False},
}
_PRIORS: list[dict[str, Any]] = [{"name": "text"}, {"name": "attributes", "weights": "rarity", "generalise": True}]


def measure(spec: dict[str, Any]) -> dict[str, Any]:
    """Measure one cell.

    Args:
        spec: ``dataset``, ``method``, ``seed``, and ``smaller``: options that make it cheap, for trials. ``keep``, a
            folder: what cells have in common is worked out once and read from there, see :mod:`kgc_kept`.

    Returns:
        ``figures``: row name -> ``mrr``, ``hits@1``, ``hits@5``, ``hits@10`` and whatever else belongs to the row;
        ``seconds`` and, of the processor, ``cpu_s``; ``notes``; ``remarks``, which belong below the table.

    Raises:
        InputError: The data or the checkpoint are not there.
    """
    warnings.simplefilter("ignore")
    begun = time.perf_counter()
    kinds: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "evidence": _recipe,
        "generator": _recipe,
        "ultra": _inductive,
        "informed": _inductive,
        "informed, shuffled": _inductive,
        "informed, facts alone": _inductive,
        "schema edges": _inductive,
        "schema edges, shuffled": _inductive,
        "link overlap": _inductive,
        "popularity": _inductive,
        **dict.fromkeys(_RMPI, _rmpi),
        **dict.fromkeys(PAPERS, _paper),
    }
    if spec["method"] not in kinds:
        raise InputError(f"no method of the table is called {spec['method']!r}", remedy=", ".join(kinds))
    found = kinds[spec["method"]](spec)
    # Processor seconds are those of the whole process, so that what else runs beside it does not count.
    return {**found, "seconds": time.perf_counter() - begun, "cpu_s": time.process_time()}


def _recipe(spec: dict[str, Any]) -> dict[str, Any]:
    return measure_recipe(spec, _content(spec))


def _paper(spec: dict[str, Any]) -> dict[str, Any]:
    return measure_paper(spec, _content(spec))


def _content(spec: dict[str, Any]) -> dict[str, Any]:
    """What all recipes of the table have in common: by the published protocol, other candidate rules beside it."""
    return {
        "task": "kg_completion",
        "dataset": spec["dataset"],
        "graph": {"source": data_file(_schema(spec["dataset"]))},
        "priors": _PRIORS,
        "protocol": {"candidates": "type", "sides": "tail", "seeds": [spec["seed"]]},
        "train": {"device": "cpu"},
    }


def _inductive(spec: dict[str, Any]) -> dict[str, Any]:
    """ULTRA's public weights on an inference graph, alone or informed; and the training-free rule beside it."""
    import numpy as np

    from kgzsl import datasets
    from kgzsl.datasets import KGSplit
    from kgzsl.engine import Engine
    from kgzsl.knowledge import ClassPriors
    from kgzsl.tasks.kg_completion.inductive import (
        CHAIN_MEETINGS,
        SCHEMA_MEETINGS,
        InductiveModel,
        InductiveTask,
        InformedUltra,
        Surroundings,
        Ultra,
        UltraCompleter,
    )

    kg = datasets.load(spec["dataset"].removesuffix(PUBLISHED))
    assert isinstance(kg, KGSplit)
    task, training = _asked(kg, spec), InductiveTask.training(kg)
    method, smaller = spec["method"], spec.get("smaller", {})
    graph = task.graph()
    model: InductiveModel
    if method == "link overlap":
        schema = _read_schema(spec)
        names = sorted({*training.relations, *task.relations})
        model = overlap_model(_relation_priors(spec, schema, names).align(list(task.relations)).to_tensor())
    elif method == "popularity":
        model = popularity_model()
    elif method.startswith("schema edges"):
        schema = _read_schema(spec)
        # The table was measured without chains: of its sets they join 3 pairs of relations in NL-0 and 2 in NL-75.
        used = [name for name in SCHEMA_MEETINGS if name not in CHAIN_MEETINGS]
        completer = UltraCompleter(
            checkpoint=data_file(CHECKPOINT),
            schema_edges=used,
            steps=smaller.get("steps", 60),
            calibrate=False,
            memory_budget=64 << 30,  # in one part, as the table's figures were made
        )
        completer.fit(training, task, schema=schema, engine=Engine(device="cpu", seed=spec["seed"], progress=False))
        model, graph = completer.ultra_, completer.edges_.among(graph)
    else:
        model = ultra = Ultra.from_checkpoint(data_file(CHECKPOINT), head_queries="direct")
    if method.startswith("informed"):
        names = sorted({*training.relations, *task.relations})
        bare = method.endswith("facts alone")  # each relation is like itself and no other, entities have no names
        ontology = None if bare else _read_schema(spec)
        alone = ClassPriors(tuple(names), np.eye(len(names), dtype=np.float32))
        priors = alone if ontology is None else _relation_priors(spec, ontology, names)
        use_names = not bare and not spec["dataset"].startswith("ingram_wk")  # entities are numbers there
        # ULTRA itself is the same for every seed and every schema.
        informed = InformedUltra(
            KeptScores(ultra, spec.get("keep")),
            seed=spec["seed"],
            **{k: v for k, v in smaller.items() if k in ("queries", "check_queries", "bare_queries")},
        )
        informed.fit(training.facts, Surroundings(training.entities, training.relations, priors, ontology, use_names))
        around = Surroundings(task.entities, task.relations, priors, ontology, use_names)
        model = informed.adapt(task.facts, around)
    found = _ranked(spec, model, graph, task, smaller.get("test"))
    return {"figures": found, "notes": list(kg.notes), "remarks": _strangers(spec, task)}


def _rmpi(spec: dict[str, Any]) -> dict[str, Any]:
    """Subgraph reasoning, trained on the training graph; with vectors of relations from schema and text, or without."""
    from kgzsl import datasets
    from kgzsl.datasets import KGSplit
    from kgzsl.tasks.kg_completion.inductive import InductiveTask, Rmpi

    kg = datasets.load(spec["dataset"].removesuffix(PUBLISHED))
    assert isinstance(kg, KGSplit)
    task, training = _asked(kg, spec), InductiveTask.training(kg)
    smaller = spec.get("smaller", {})
    priors = None
    if not spec["method"].endswith("no schema"):
        schema = _read_schema(spec)
        priors = _relation_priors(spec, schema, sorted({*training.relations, *task.relations}))
    small = {k: v for k, v in smaller.items() if k in ("epochs", "dim")}
    model = Rmpi(seed=spec["seed"], **_RMPI[spec["method"]], **small)
    # Data sets that share a training graph share what is learned on it.
    model = kept_rmpi(spec.get("keep"), model, training, priors).about(task.relations)
    found = _ranked(spec, model, task.graph(), task, smaller.get("test"))
    return {"figures": found, "notes": list(kg.notes), "remarks": _strangers(spec, task)}


def _asked(kg: KGSplit, spec: dict[str, Any]) -> InductiveTask:
    """The inference graph; of NELL-Ext and FB-Ext with the training graph's facts, which are known when it is asked.

    RMPI's protocol has the given graph and the test triples alone.
    """
    from dataclasses import replace

    import torch

    from kgzsl.tasks.kg_completion.inductive import InductiveTask

    if spec["dataset"].endswith(PUBLISHED):
        kg = replace(kg, valid=kg.valid[:0])
    elif kg.name.startswith(EXTENDED):
        kg = replace(kg, support=torch.cat([kg.train, kg.support]), valid=kg.valid[:0])
    return InductiveTask.inference(kg)


def _ranked(spec: dict[str, Any], model: Any, graph: Any, task: InductiveTask, limit: int | None) -> dict[str, Any]:
    from kgzsl.tasks.kg_completion.inductive import evaluate_drawn, evaluate_inductive
    from kgzsl.tasks.ranking import chance_metrics, ranking_metrics

    begun = time.process_time()
    test: Tensor = task.test[:limit]
    if spec["dataset"].endswith(PUBLISHED):
        drawn = evaluate_drawn(model, graph, test, seed=spec["seed"], names=(task.entities, task.relations))
        return {spec["method"]: drawn.metrics(), "chance": drawn.chance()}
    found = evaluate_inductive(model, graph, test, known=task.known)
    seconds = time.process_time() - begun
    official = ranking_metrics(found.worst)
    row = {key: official[key] for key in ("mrr", "hits@1", "hits@5", "hits@10")}
    row |= {"honest.mrr": found.metrics["mrr"], "queries": found.metrics["queries"]}
    if not spec["method"].startswith("informed"):  # where ULTRA's part may have been read
        row["ranking_s"] = seconds
    chance = chance_metrics(found.counts)
    return {
        spec["method"]: row,
        "chance": {key: chance[key] for key in ("mrr", "hits@1", "hits@5", "hits@10")} | {"honest.mrr": chance["mrr"]},
    }


def _relation_priors(spec: dict[str, Any], schema: ClassGraph, relations: list[str]) -> ClassPriors:
    """What schema and text say of relations: the same for all methods that read this schema, shuffled or not."""
    told = [_schema(spec["dataset"]), spec["method"].endswith("shuffled") and spec["seed"], relations, _PRIORS]
    return kept_priors(spec.get("keep"), told, lambda: _made_priors(schema, relations))


def _made_priors(schema: ClassGraph, relations: list[str]) -> ClassPriors:
    """Relations that the schema does not know get a column of their own: they are like themselves and nothing else."""
    import numpy as np

    from kgzsl import priors
    from kgzsl.knowledge import ClassPriors

    known = [name for name, node in zip(relations, schema.align(relations).indices, strict=True) if node >= 0]
    made = None
    for spec in _PRIORS:
        options: dict[str, Any] = {key: value for key, value in spec.items() if key != "name"}
        block = priors.make(str(spec["name"]), **options).fit(schema).priors(known).normalised("l2")
        made = block if made is None else made | block
    assert made is not None
    strange = sorted(set(relations) - set(known))
    if not strange:
        return made
    width = made.matrix.shape[1]
    rows = np.zeros((len(relations), width + len(strange)), dtype=np.float32)
    place = {name: number for number, name in enumerate(relations)}
    rows[[place[name] for name in made.names], :width] = made.matrix
    rows[[place[name] for name in strange], width + np.arange(len(strange))] = 1
    return ClassPriors(tuple(relations), rows)


def _strangers(spec: dict[str, Any], task: InductiveTask) -> list[str]:
    """What a reader must know about relations that the schema of the data set says nothing of."""
    if spec["method"] in ("ultra", "popularity") or spec["method"].endswith(("no schema", "facts alone")):
        return []
    from kgzsl.knowledge import ClassGraph

    nodes = ClassGraph.read(data_file(_schema(spec["dataset"]))).align(list(task.relations)).indices
    count = int((nodes < 0).sum())
    if not count:
        return []
    return [f"{count} of the {len(nodes)} relations are not in the schema: they are like nothing but themselves"]


def _read_schema(spec: dict[str, Any]) -> ClassGraph:
    """The schema of the relations; for a control, with its knowledge given to the wrong ones."""
    from kgzsl.knowledge import ClassGraph

    schema = ClassGraph.read(data_file(_schema(spec["dataset"])))
    return schema.shuffled(spec["seed"] + 1) if spec["method"].endswith("shuffled") else schema


def _schema(dataset: str) -> str:
    found = next((path for start, path in SCHEMAS.items() if dataset.startswith(start)), None)
    if found is None:
        raise InputError(f"the table knows no schema for {dataset!r}", remedy=f"known: {', '.join(SCHEMAS)}")
    return found


def data_file(path: str) -> str:
    """A file under the data folder.

    Raises:
        InputError: It is not there.
    """
    from kgzsl.datasets import data_dir

    found = data_dir() / path
    if not found.exists():
        raise InputError("the file is not there", file=found, remedy="set KGZSL_DATA to the folder that has it")
    return str(found)
