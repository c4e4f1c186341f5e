"""One cell of the table of priors: one encoder on one graph, real or shuffled, with one seed."""

from __future__ import annotations

import gzip
import resource
import time
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph

__all__ = ["GRAPHS", "load_graph", "measure"]

# Graph -> (file under the data folder, image data set whose classes are in it).
GRAPHS: dict[str, tuple[str, str | None]] = {
    "awa": ("kg/awa/KG-AwA.ttl", "awa1_handcrafted"),
    "imnet_a": ("kg/imnet_a/KG-ImNet-A.ttl", None),
    "imnet_o": ("kg/imnet_o/KG-ImNet-O.ttl", None),
    "nell_schema": ("kg/nell_schema/Schema-NELL.ttl", None),
    "wordnet": ("kg/wordnet/is_a.txt.gz", "miniimagenet"),
}

_SHARE = 0.05


@lru_cache(maxsize=1)
def load_graph(name: str) -> ClassGraph:
    """The graph called ``name``: one of :data:`GRAPHS`, or a file.

    Raises:
        InputError: It is not there, or cannot be read.
    """
    from kgzsl.datasets import data_dir

    path = Path(data_dir() / GRAPHS[name][0]) if name in GRAPHS else Path(name)
    if name in GRAPHS and not path.exists():
        raise InputError("the file is not there", file=path, remedy="set KGZSL_DATA to the folder that has it")
    if name == "wordnet":
        return _wordnet(path)
    return ClassGraph.read(path, lenient=True)


def _wordnet(path: Path) -> ClassGraph:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            pairs = [line.split() for line in lines]
        with gzip.open(path.with_name("words.txt.gz"), "rt", encoding="utf-8") as lines:
            words = dict(line.rstrip("\n").split("\t", 1) for line in lines)
    except OSError as error:
        raise InputError(f"the WordNet hierarchy cannot be read ({error})", file=path) from None
    nodes = {node for pair in pairs for node in pair}
    labels = {node: word.split(",")[0] for node, word in words.items() if node in nodes}
    return ClassGraph.from_triples([(child, "subClassOf", parent) for parent, child in pairs], labels=labels)


def measure(spec: dict[str, Any]) -> dict[str, Any]:
    """Fit, and rank held-out edges or score unseen classes.

    Args:
        spec: ``graph``, ``encoder`` (name and options), ``seed``, ``shuffled``, ``part``: ``"links"`` holds out edges,
            of which at most ``ranked`` are ranked; ``"classes"`` reads the whole graph, for a class that lacks one of
            its attributes misleads a head more than most shuffling.

    Returns:
        ``mrr`` or ``accuracy`` (percent, None without features), ``seconds`` of the fit alone (processor seconds on a
        CPU), ``memory_mb`` that it added, ``dim``.

    Raises:
        InputError: The encoder cannot be made from this graph, or the images are not there or have classes that are not
            in it.
    """
    from kgzsl.engine import Engine
    from kgzsl.priors.combination.combined import made_encoder
    from kgzsl.priors.combination.probe import probe_links, without_some_edges

    warnings.simplefilter("ignore")
    whole = load_graph(spec["graph"])
    links = spec.get("part", "links") == "links"
    rest, held, known = without_some_edges(whole, _SHARE, spec["seed"])
    read = rest if links else whole
    if spec["shuffled"]:
        read = read.shuffled(spec["seed"] + 1)
    encoder = made_encoder(spec["encoder"])
    engine = Engine(seed=spec["seed"], precision="32-true", progress=False, device=spec.get("device", "auto"))
    clock = time.process_time if engine.torch_device.type == "cpu" else time.perf_counter
    before, begun = _peak_mb(), clock()
    encoder.fit(read, engine=engine)
    vectors = encoder.priors(whole.iris).matrix
    told = {"seconds": clock() - begun, "memory_mb": _peak_mb() - before, "dim": int(vectors.shape[1])}
    if links:
        return {"mrr": probe_links(vectors, held, known, most=spec["ranked"]).mrr, **told}
    return {"accuracy": _accuracy(spec["graph"], whole, vectors), **told}


def _accuracy(name: str, graph: ClassGraph, vectors: Any) -> float | None:
    """Mean accuracy per unseen class, in percent, of the fixed head; None without image features."""
    from kgzsl import datasets
    from kgzsl.knowledge.class_priors import ClassPriors
    from kgzsl.priors.combination.held_out_classes import zero_shot_accuracy

    dataset = GRAPHS.get(name, ("", None))[1]
    if dataset is None:
        return None
    data = datasets.load(dataset)
    assert isinstance(data, datasets.ImageFeatures)
    names = list(data.class_names)
    # A label of WordNet's may be that of several senses; its ids are not.
    at = np.asarray(graph.align(data.class_info.get("wnid", names)).indices)
    if (at < 0).any():
        lacks = ", ".join(np.array(names)[at < 0][:5])
        raise InputError(f"the graph lacks {(at < 0).sum()} of the {len(names)} classes of {dataset}: {lacks}")
    rows = np.asarray(vectors, dtype=np.float32)[at]
    features, labels = data.train
    test = data.test_unseen_loc
    unseen = np.array(names)[data.labels[test].numpy()]
    accuracy = zero_shot_accuracy(ClassPriors(tuple(names), rows), (features, labels), (data.features[test], unseen))
    return float(np.mean(list(accuracy.values())))


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
