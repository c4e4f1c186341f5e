"""Equal facts give equal runs: neither numbers nor the order and format of files leave a trace in what is trained."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from kgzsl.datasets import KGSplit
from kgzsl.recipe import Recipe
from kgzsl.tasks.kg_completion import run
from tests.tasks.kg_completion.conftest import UNSEEN, facts
from tests.tasks.kg_completion.renumbering import renumbered
from tests.tasks.kg_completion.test_pipeline import PAIRS

WGAN = {"name": "wgan", "hidden": 16, "noise_dim": 4, "epochs": 2, "batch_size": 64}
VECTORS = {"name": "transe", "dim": 4, "epochs": 2}
EVIDENCE = {"name": "evidence", "folds": 4, "queries": 8, "corrupted": 8, "steps": 20, "hidden": 8, "dim": 8}
METHODS = {
    "generator": {"generator": WGAN},
    "generator, choices by parts": {"generator": WGAN, "protocol": {"seeds": 1, "splits": 2}},
    "generator, entity vectors": {"generator": WGAN, "pairs": {**PAIRS, "entity_vectors": VECTORS}},
    "closed form": {"generator": None},
    "evidence": {"generator": None, "pairs": {}, "ranker": EVIDENCE},
    "rmpi": {"generator": None, "pairs": {}, "ranker": {"name": "rmpi", "dim": 8, "epochs": 1, "queries": 20}},
    "embedding": {
        "generator": None, "pairs": {}, "priors": [],
        "ranker": {"name": "embedding", "model": "complex", "dim": 8, "epochs": 3},
    },
}  # fmt: skip


def told(result) -> tuple[object, ...]:
    """What a run says, but for times."""
    metrics = {name: value for name, value in result.metrics.items() if "seconds" not in name}
    return metrics, result.predictions, result.selection


@pytest.mark.parametrize("method", METHODS)
def test_numbers_leave_no_trace(method, kg, priors, tmp_path) -> None:
    file = str(priors.save(tmp_path / "priors.safetensors"))
    content = {
        "task": "kg_completion", "dataset": "little world", "priors": [{"name": "file", "path": file}],
        "pairs": PAIRS, "samples_per_relation": 8, "protocol": {"seeds": 1},
        "train": {"device": "cpu", "precision": "32-true"},
    }  # fmt: skip
    data = _every_relation_in_training(kg) if method == "embedding" else kg
    other = renumbered(data, 4)
    assert other.entities != data.entities
    assert not torch.equal(other.train, data.train)
    one, two = (
        told(run(Recipe.build({**content, **METHODS[method]}), data=each, progress=False)) for each in (data, other)
    )
    assert one == two


def test_order_and_format_of_files_leave_no_trace(tmp_path: Path) -> None:
    """Facts and schema as Turtle, and as N-Triples in another order; the priors are trained on the schema."""
    import rdflib

    lines = [f"<http://x/{h}> <http://x/{r}> <http://x/{t}> ." for r, pairs in facts().items() for h, t in pairs]
    rdfs = "http://www.w3.org/2000/01/rdf-schema#"
    kinds = {"livesIn": "placed", "bornIn": "placed", "residesIn": "livesIn", "liesIn": "placed", "partOf": "liesIn"}
    kinds |= {"hasCity": "placed", "friendOf": "knows", "knows": "meets", "nationOf": "placed"}
    said = [f"<http://x/{one}> <{rdfs}subPropertyOf> <http://x/{other}> ." for one, other in kinds.items()]
    said += [f'<http://x/{one}> <{rdfs}label> "{one}"@en .' for one in kinds]
    found = []
    for number, ending in enumerate(("ttl", "nt")):
        files = {}
        for name, content in (("facts", lines), ("schema", said)):
            files[name] = tmp_path / f"{name}{number}" / f"{name}.{ending}"
            files[name].parent.mkdir()
            if ending == "ttl":
                rdflib.Graph().parse(data="\n".join(content), format="nt").serialize(files[name], format="turtle")
            else:
                random.Random(7).shuffle(content)
                files[name].write_text("\n".join(content) + "\n")
        recipe = {
            "task": "kg_completion",
            "dataset": {"name": str(files["facts"]), "unseen_relations": list(UNSEEN)},
            "graph": {"source": str(files["schema"])}, "priors": [{"name": "text"}, {"name": "transe", "dim": 4}],
            "pairs": PAIRS, "generator": WGAN, "samples_per_relation": 8, "protocol": {"seeds": 1},
            "train": {"device": "cpu", "precision": "32-true"},
        }  # fmt: skip
        found.append(told(run(Recipe.build(recipe), progress=False)))
    assert found[0] == found[1]


def _every_relation_in_training(kg: KGSplit) -> KGSplit:
    every = torch.cat([kg.train, kg.test])
    every = every[torch.randperm(len(every), generator=torch.Generator().manual_seed(0))]
    return KGSplit(kg.entities, kg.relations, train=every[30:], valid=every[:15], test=every[15:30], name="world")
