"""Extrapolation by the class graph in both tasks: models, recipes, their shuffled control, folders, new classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kgzsl.datasets import ImageFeatures, KGSplit
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.recipe import Recipe
from kgzsl.tasks import image_classification, kg_completion
from kgzsl.tasks._class_distances import distances_for
from kgzsl.tasks.image_classification import ZeroShotClassifier
from kgzsl.tasks.kg_completion import RelationCompleter, load_completer

pytestmark = pytest.mark.filterwarnings("ignore::kgzsl.generators.health.CollapseWarning")
PARENT = "http://www.w3.org/2000/01/rdf-schema#subClassOf"
PLAIN: dict[str, Any] = {"metric": "hops", "k": 3, "residual": False, "noise": 0.1, "cosine": 0.0}
RANDOM_PRIORS = np.random.default_rng(1).normal(size=(24, 5)).astype(np.float32)  # they say nothing about the families


def families() -> tuple[ImageFeatures, ClassGraph]:
    """Six families of four classes, features by the family; the last class of each is unseen."""
    random = np.random.default_rng(0)
    names = [f"k{i}" for i in range(24)]
    labels = np.repeat(np.arange(24), 10)
    features = 3.0 * random.normal(size=(6, 8))[labels // 4] + random.normal(size=(240, 8))
    tree = [(f"http://x/k{i}", PARENT, f"http://x/family{i // 4}") for i in range(24)]
    tree += [(f"http://x/family{i}", PARENT, "http://x/root") for i in range(6)]
    data = ImageFeatures.from_arrays(
        features.astype(np.float32),
        labels,
        class_names=names,
        unseen=names[3::4],
        priors={"att": ClassPriors(tuple(names), RANDOM_PRIORS)},
        name="families",
    )
    return data, ClassGraph.from_triples(tree)


def fitted(graph: ClassGraph | None, **options: Any) -> ZeroShotClassifier:
    data, _ = families()
    given = {**PLAIN, **options, **({} if graph is None else {"graph": graph})}
    model = ZeroShotClassifier(
        "extrapolation", "gda", samples_per_class=20, generator_options=given, device="cpu", precision="32-true"
    )
    features, names = data.train
    return model.fit(features, np.asarray(names), data.priors["att"])


def accuracy(model: ZeroShotClassifier) -> float:
    data, _ = families()
    rows = data.features[data.test_unseen_loc]
    found = np.asarray(model.predict(rows, "unseen"))
    return float(np.mean(found == np.asarray(data.name_of(data.labels[data.test_unseen_loc]))))


def test_images_follow_the_graph_and_a_shuffled_one_gives_other_neighbours() -> None:
    _, graph = families()
    real, shuffled = fitted(graph), [fitted(graph.shuffled(seed)) for seed in range(3)]
    assert accuracy(real) > 0.8
    for one in shuffled:
        assert not torch.equal(one.synthesise("k3", 4), real.synthesise("k3", 4))
    assert np.mean([accuracy(one) for one in shuffled]) < 0.6
    assert accuracy(fitted(None, metric="priors")) < 0.6  # the priors know nothing of the families
    assert accuracy(fitted(graph, metric="resistance")) > 0.8
    with pytest.raises(InputError, match="goes by hops needs a class graph"):
        fitted(None)


def test_an_image_model_keeps_its_distances_and_takes_a_new_class(tmp_path: Path) -> None:
    _, graph = families()
    model = fitted(graph)
    loaded = ZeroShotClassifier.load(model.save(tmp_path / "m"), device="cpu")
    assert torch.equal(loaded.synthesise("k7", 5), model.synthesise("k7", 5))
    tree = [(one, PARENT, other) for one, _, other in triples(graph)]
    more = ClassGraph.from_triples([*tree, ("http://x/late", PARENT, "http://x/family2")])
    loaded.add_class("late", prior_row=RANDOM_PRIORS[0], graph=more)
    near, far = (
        float((loaded.synthesise("late", 50) - loaded.synthesise(o, 50)).mean(0).norm()) for o in ("k11", "k3")
    )
    assert near < 0.5
    assert far > 2 * near
    with pytest.raises(InputError, match="needs a class graph"):
        loaded.add_class("later", prior_row=RANDOM_PRIORS[1])


def triples(graph: ClassGraph) -> list[tuple[str, str, str]]:
    heads, tails = graph.edge_index
    return [(graph.iris[int(h)], "", graph.iris[int(t)]) for h, t in zip(heads, tails, strict=True)]


def image_recipe(folder: Path, **more: Any) -> Any:
    families()[1].to_rdflib().serialize(folder / "tree.ttl")
    content = {
        "task": "image_classification",
        "dataset": "families",
        "graph": {"source": str(folder / "tree.ttl"), "projection": "taxonomy"},
        "priors": [{"name": "att"}],
        "generator": {"name": "extrapolation", **PLAIN},
        "classifier": {"name": "gda", "samples_per_class": 20},
        "protocol": {"validation": "none"},
        "train": {"device": "cpu", "precision": "32-true"},
    }
    return Recipe.build({**content, **more})


def test_a_recipe_of_images_and_its_shuffled_control(tmp_path: Path) -> None:
    recipe = image_recipe(tmp_path, controls=["shuffled"])
    found = image_classification.run(recipe, data=families()[0], progress=False).metrics
    assert found["zsl.top1"] > 80
    assert found["zsl.top1"] - found["control.shuffled.zsl.top1"] > 15
    with pytest.raises(InputError, match=r"'extrapolation' needs a class graph.*give graph"):
        image_classification.run(image_recipe(tmp_path, graph=None, controls=[]), data=families()[0], progress=False)


def little_kg() -> tuple[KGSplit, ClassPriors, ClassGraph]:
    """Relations of three families, each between its own pair of kinds; the last of each is unseen."""
    names = [f"r{i}" for i in range(9)]
    facts = {
        name: [(f"e{i // 3}_{j}", name, f"f{i // 3}_{(j + 2) % 10}") for j in range(10)] for i, name in enumerate(names)
    }
    unseen = names[2::3]
    train = [fact for name in names if name not in unseen for fact in facts[name]]
    test = [fact for name in unseen for fact in facts[name]]
    kg = KGSplit.from_names(train, [], test, unseen_relations=unseen, name="little")
    schema = ClassGraph.from_triples([(f"http://x/r{i}", PARENT, f"http://x/family{i // 3}") for i in range(9)])
    return kg, ClassPriors(tuple(names), RANDOM_PRIORS[:9]), schema


PAIRS = {"dim": 8, "link_dim": 8, "steps": 0, "queries": 8, "support": 3}


def test_relations_are_made_of_their_neighbours_in_the_schema(tmp_path: Path) -> None:
    kg, priors, schema = little_kg()
    options = {"generator_options": {**PLAIN, "k": 2, "noise": 0.0}, "pairs": PAIRS, "device": "cpu"}
    model = RelationCompleter("extrapolation", **options, precision="32-true").fit(kg, priors, schema=schema)
    pairs, labels = model.features_.training_pairs()
    for unseen, family in (("r2", ("r0", "r1")), ("r5", ("r3", "r4")), ("r8", ("r6", "r7"))):
        rows = torch.stack([pairs[labels == model.seen_.index(name)].mean(0) for name in family])
        torch.testing.assert_close(model.prototypes(unseen, 1)[0], rows.mean(0), rtol=1e-4, atol=1e-4)
    loaded = load_completer(model.save(tmp_path / "m"), device="cpu")
    assert torch.equal(loaded.scores("r5", torch.arange(4)), model.scores("r5", torch.arange(4)))
    lacking = ClassGraph.from_triples([(f"http://x/r{i}", PARENT, f"http://x/family{i // 3}") for i in range(8)])
    partly = RelationCompleter("extrapolation", **options, precision="32-true").fit(kg, priors, schema=lacking)
    with pytest.warns(UserWarning, match="isolated in the class graph"):
        partly.prototypes("r8", 1)
    with pytest.raises(InputError, match="needs a class graph"):
        RelationCompleter("extrapolation", **options).fit(kg, priors)
    stranger = ClassGraph.from_triples([("http://y/a", PARENT, "http://y/b")])
    with pytest.raises(InputError, match="knows no seen class"):
        distances_for(model.generator_, stranger, ["r0"], ["r0"])


def test_a_recipe_of_completion_gives_the_generator_its_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kg, priors, schema = little_kg()
    found: list[torch.Tensor] = []
    fit = RelationCompleter.fit

    def spy(model: RelationCompleter, *given: Any, **more: Any) -> RelationCompleter:
        fit(model, *given, **more)
        assert model._distances is not None
        found.append(model._distances)
        return model

    monkeypatch.setattr(RelationCompleter, "fit", spy)
    schema.to_rdflib().serialize(tmp_path / "schema.ttl")
    content = {
        "task": "kg_completion",
        "dataset": "little",
        "graph": {"source": str(tmp_path / "schema.ttl")},
        "priors": [{"name": "file", "path": str(priors.save(tmp_path / "p.safetensors"))}],
        "pairs": PAIRS,
        "generator": {"name": "extrapolation", **PLAIN},
        "train": {"device": "cpu", "precision": "32-true"},
        "protocol": {"validation": "none"},
        "controls": ["shuffled"],
    }
    kg_completion.run(Recipe.build(content), data=kg, progress=False)
    real, shuffled = found
    asked = kg.in_name_order()
    family = torch.tensor([int(name[1:]) // 3 for name in asked.relations])
    same = family[:, None] == family[None, asked.seen_relations]
    assert float(real[same].max()) < float(real[~same].min())
    assert not torch.equal(real, shuffled)
    with pytest.raises(InputError, match="needs a schema"):
        kg_completion.run(Recipe.build({**content, "graph": None, "controls": []}), data=kg, progress=False)
