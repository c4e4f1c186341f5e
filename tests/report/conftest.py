"""A small finished run of each task, made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks.result import ResultRow, RunResult

COLUMNS = ["zsl.top1", "gzsl.harmonic"]
ROWS = [
    ResultRow("wgan + softmax", "method"),
    ResultRow("ESZSL", "baseline", prefix="control.baseline."),
    ResultRow("shuffled ontology", "control", prefix="control.shuffled."),
]


class Model:
    """Saves two files, as fitted models do."""

    def save(self, directory: Path) -> None:
        (directory / "model.safetensors").write_bytes(b"weights")
        (directory / "model.json").write_text("{}")


def figures(seed: int, top1: float, harmonic: float) -> dict[str, float]:
    own = {"seed": seed, "zsl.top1": top1, "gzsl.harmonic": harmonic, "gzsl.seen": 40.0, "gzsl.unseen": 25.0}
    controls = {"baseline": (30.0, 12.0), "shuffled": (2.0, 1.0)}
    return own | {
        f"control.{name}.{metric}": value
        for name, pair in controls.items()
        for metric, value in zip(COLUMNS, pair, strict=True)
    }


@pytest.fixture
def graph() -> ClassGraph:
    subclass = "subClassOf"
    return ClassGraph.from_triples(
        [
            ("cat", subclass, "feline"),
            ("lion", subclass, "feline"),
            ("feline", subclass, "animal"),
            ("horse", subclass, "equine"),
            ("zebra", subclass, "equine"),
            ("equine", subclass, "animal"),
            ("zebra", "has", "stripes"),
            ("lion", "has", "mane <b>& more"),
            ("horse", "has", "mane <b>& more"),
        ],
        texts={"zebra": ["a striped horse </script><script>alert(1)</script>"]},
    )


@pytest.fixture
def images(graph: ClassGraph) -> RunResult:
    rng = np.random.default_rng(0)
    steps = range(0, 1000, 10)
    history = [
        {"seed": s, "stage": "wgan", "step": i, "critic": 5.0 / (1 + i), "note": "x"} for s in (0, 1) for i in steps
    ]
    return RunResult(
        task="image_classification",
        dataset="animals",
        recipe={"task": "image_classification", "dataset": {"name": "animals"}, "protocol": {"seeds": 2}},
        per_seed=[figures(0, 50.0, 30.0), figures(1, 52.0, 32.0)],
        rows=list(ROWS),
        columns=list(COLUMNS),
        headlines=list(COLUMNS),
        selection={
            "by": "gzsl.harmonic",
            "classes": ["cat"],
            "chosen": {"epoch": 7},
            "setting": "inductive",
            "oracle": False,
        },
        history=history,
        predictions={"item": [0, 1], "true": ["zebra", "lion"], "predicted": ["zebra", "zebra"], "score": [0.75, 0.1]},
        arrays={
            "curve.seen": np.linspace(0, 45, 20),
            "curve.unseen": np.linspace(50, 0, 20),
            "confusion": np.array([[8, 2], [5, 5]]),
            "map.xy": rng.normal(size=(40, 2)),
            "map.synthetic": np.arange(40) % 2 == 0,
            "map.class": np.arange(40) // 20,
        },
        names={"confusion": ["zebra", "lion"], "map": ["zebra", "lion"]},
        priors=ClassPriors(("zebra", "lion", "cat", "horse"), np.eye(4, 3) + 0.5),
        model=Model(),
        graph=graph,
        seen=["cat", "horse"],
        unseen=["zebra", "lion"],
        warnings=["one <warning>"],
        seconds={"generator": 3.0},
        peak_memory_mb=100.0,
    ).refresh()


@pytest.fixture
def completion() -> RunResult:
    return RunResult(
        task="kg_completion",
        dataset="places",
        recipe={"task": "kg_completion"},
        per_seed=[{"seed": 0, "kgc.mrr": 0.1, "control.link_overlap.kgc.mrr": 0.27}],
        rows=[ResultRow("wgan", "method"), ResultRow("link overlap", "baseline", prefix="control.link_overlap.")],
        columns=["kgc.mrr"],
        headlines=["kgc.mrr"],
        predictions={"relation": ["capital", "capital", "borders"], "rank": [1.0, 4.0, 20.0]},
        seen=["continent"],
        unseen=["capital", "borders"],
    ).refresh()


SEEN, UNSEEN, ATTRIBUTES = 150, 50, 312  # as CUB's


@pytest.fixture(scope="session")
def large() -> RunResult:
    """Two hundred classes with as many attributes as CUB has."""
    random = np.random.default_rng(0)
    names = [f"class number {i:03d}" for i in range(SEEN + UNSEEN)]
    has = random.random((len(names), ATTRIBUTES)) < 0.1
    triples = [(name, "subClassOf", f"family {i % 37}") for i, name in enumerate(names)]
    triples += [(f"family {i}", "subClassOf", f"order {i % 6}") for i in range(37)]
    triples += [(f"order {i}", "subClassOf", "bird") for i in range(6)]
    triples += [(names[i], "has", f"attribute {j}") for i, j in np.argwhere(has).tolist()]
    texts = {
        name: [f"{name} is a bird of which much is said: " + "it lives in trees and eats seeds. " * 5] for name in names
    }
    figures = {"zsl.top1": 40.0, "gzsl.seen": 50.0, "gzsl.unseen": 30.0, "gzsl.harmonic": 37.5, "gzsl.ausuc": 0.2}
    per_seed = [{"seed": seed, **figures, "control.chance.zsl.top1": 2.0} for seed in range(5)]
    columns = list(figures)
    unseen = names[SEEN:]
    return RunResult(
        task="image_classification",
        dataset="two hundred birds",
        recipe={"task": "image_classification"},
        per_seed=per_seed,
        rows=[ResultRow("wgan + softmax", "method"), ResultRow("chance", "control", prefix="control.chance.")],
        columns=columns,
        headlines=["zsl.top1"],
        history=[
            {"seed": seed, "stage": stage, "step": step, "critic": 1.0 / (1 + step), "generator": random.random()}
            for seed in range(5)
            for stage in ("train", "shuffled.train")
            for step in range(0, 20000, 50)
        ],
        arrays={
            "curve.seen": np.linspace(60, 0, 4000),
            "curve.unseen": np.linspace(0, 45, 4000),
            "confusion": random.integers(0, 30, size=(UNSEEN, UNSEEN)),
            "map.xy": random.normal(size=(6000, 2)),
            "map.synthetic": np.arange(6000) % 2 == 0,
            "map.class": np.arange(6000) % UNSEEN,
        },
        names={"confusion": unseen, "map": unseen},
        priors=ClassPriors(tuple(names), has.astype(np.float32) + 0.01),
        graph=ClassGraph.from_triples(triples, texts=texts),
        seen=names[:SEEN],
        unseen=unseen,
    ).refresh()
