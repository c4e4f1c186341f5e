"""Prototypes by a graph network over the schema: the graph tells, and nothing else does; they come along everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from kgzsl import datasets
from kgzsl import priors as encoders
from kgzsl.engine import Engine
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.priors.propagation import GCN
from kgzsl.recipe import Recipe
from kgzsl.tasks.kg_completion import RelationCompleter, load_completer, run
from kgzsl.tasks.kg_completion.candidate_rules import make_rule
from kgzsl.tasks.kg_completion.evaluation import evaluate
from kgzsl.tasks.kg_completion.relation_network import network_of, propagated_prototypes

PAIRS = {"dim": 16, "link_dim": 16, "steps": 20, "batch_size": 16, "queries": 12, "corrupted": 8, "support": 4}
SMALL = {"hidden": [16], "epochs": 60, "dropout": 0.0, "lr": 0.01}
PARENT = "http://www.w3.org/2000/01/rdf-schema#subPropertyOf"
ABOVE = {
    "bornIn": "livesIn", "residesIn": "livesIn", "partOf": "liesIn", "nationOf": "liesIn",
    "knows": "friendOf", "friendOf": "related", "livesIn": "related", "liesIn": "related", "hasCity": "related",
}  # fmt: skip


@pytest.fixture
def schema():
    return ClassGraph.from_triples([(f"http://x/{one}", PARENT, f"http://x/{other}") for one, other in ABOVE.items()])


def quiet(**options):
    return Engine(progress=False, device="cpu", precision="32-true", **options)


def nearest_to_unseen(schema, kg, network):
    """The seen relations whose means the prototypes of the unseen ones are most like; means are far apart."""
    seen = torch.unique(kg.train[:, 1])
    means = torch.eye(len(seen), 8)
    found, there = propagated_prototypes(network, schema, kg.relations, seen, means, engine=quiet())
    assert bool(there.all())
    rest = found - means.mean(dim=0)
    names = kg.names_of(seen)
    return {name: names[int((means @ rest[kg.relation(name)]).argmax())] for name in ("residesIn", "nationOf")}


def test_the_schema_tells_what_an_unseen_relation_is_like(kg, schema, monkeypatch):
    seen = ("livesIn", "bornIn", "liesIn", "partOf", "hasCity", "friendOf", "knows")
    # Of the unseen relations nothing is said but where they stand.
    base = ClassPriors(seen, np.eye(len(seen)))

    def network():
        return GCN(**{**SMALL, "epochs": 200}, base=base, normalise=False)

    families = {"residesIn": {"livesIn", "bornIn"}, "nationOf": {"liesIn", "partOf"}}
    found = nearest_to_unseen(schema, kg, network())
    assert all(found[name] in family for name, family in families.items())

    # Without propagation they are all the same to it.
    def alone(self, graph):
        return ((sparse.identity(graph.num_nodes, format="csr"),),) * 2

    monkeypatch.setattr(GCN, "operators", alone)
    assert len(set(nearest_to_unseen(schema, kg, network()).values())) == 1


def test_relations_that_the_schema_does_not_know_go_by_the_regression(kg, priors, schema):
    short = ClassGraph.from_triples(
        [(f"http://x/{one}", PARENT, f"http://x/{ABOVE[one]}") for one in ABOVE if one not in ("nationOf", "hasCity")]
    )
    options = {"pairs": PAIRS, "device": "cpu", "precision": "32-true"}
    told = RelationCompleter(None, network="gcn", network_options=SMALL, **options).fit(kg, priors, schema=short)
    plain = RelationCompleter(None, **options).fit(kg, priors)
    torch.testing.assert_close(told.prototypes("nationOf"), plain.prototypes("nationOf"))
    assert not torch.allclose(told.prototypes("residesIn"), plain.prototypes("residesIn"), atol=1e-3)


def recipe(priors, tmp_path, graph, **more):
    graph.to_rdflib().serialize(tmp_path / "schema.ttl")
    content = {
        "task": "kg_completion",
        "dataset": "little world",
        "graph": {"source": str(tmp_path / "schema.ttl")},
        "priors": [{"name": "file", "path": str(priors.save(tmp_path / "priors.safetensors"))}],
        "pairs": PAIRS,
        "generator": None,
        "relation_network": {"name": "gcn", **SMALL},
        "train": {"device": "cpu", "precision": "32-true"},
    }
    return Recipe.build({**content, **more})


def test_a_run_with_its_controls_its_model_and_its_resumption(kg, priors, schema, tmp_path):
    whole = run(recipe(priors, tmp_path, schema), data=kg, out=tmp_path / "run", progress=False)
    labels = [row.name for row in whole.rows]
    assert labels[0] == "gcn over the schema"
    assert "ridge (closed form)" in labels
    assert {"kgc.mrr", "control.shuffled.kgc.mrr", "control.baseline.kgc.mrr"} <= set(whole.metrics)
    assert whole.metrics["kgc.mrr"] != whole.metrics["control.baseline.kgc.mrr"]
    assert "train.network" in {row["stage"] for row in whole.history}
    loaded = load_completer(whole.model.save(tmp_path / "model"), device="cpu")
    for name in ("residesIn", "nationOf"):
        assert torch.equal(loaded.scores(name, torch.arange(5)), whole.model.scores(name, torch.arange(5)))
    again = run(recipe(priors, tmp_path, schema), data=kg, out=tmp_path / "run", resume=True, progress=False)
    assert again.metrics["kgc.mrr"] == pytest.approx(whole.metrics["kgc.mrr"])
    parsed = Recipe.parse(recipe(priors, tmp_path, schema).to_yaml())
    assert parsed.relation_network.options["epochs"] == 60


def test_geography_asks_for_the_right_schema():
    kg = datasets.load("geography")
    schema = ClassGraph.read(datasets.ontology_path("geography.ttl"))
    rows = encoders.Attributes(generalise=True).fit(schema).priors(kg.relations)
    pairs = {**PAIRS, "steps": 0, "dim": 32, "link_dim": 32, "queries": 24}
    rule = make_rule("all", kg)
    some = kg.test[torch.randperm(len(kg.test), generator=torch.Generator().manual_seed(0))[:300]]

    def mrr(graph):
        network = {"hidden": [64], "epochs": 150, "dropout": 0.0, "lr": 0.005}
        model = RelationCompleter(None, network="gcn", network_options=network, pairs=pairs, device="cpu")
        model.fit(kg, rows, schema=graph, engine=quiet())
        return float((1 / evaluate(kg, some, model.scorer, [rule], sides="tail").ranks["all"]).mean())

    # The pair features, and the priors behind them, are the same for both: only the network's schema differs.
    assert mrr(schema) > 1.3 * mrr(schema.shuffled(1))


def test_bad_input(kg, priors, schema, tmp_path):
    with pytest.raises(InputError, match="beside a generator"):
        RelationCompleter("wgan", network="gcn")
    with pytest.raises(InputError, match=r"'transe' cannot be taught vectors.*gcn"):
        RelationCompleter(None, network="transe")
    with pytest.raises(InputError, match="has no option 'hiden'"):
        RelationCompleter(None, network="gcn", network_options={"hiden": [4]})
    with pytest.raises(InputError, match="needs the schema graph"):
        RelationCompleter(None, network="gcn", pairs=PAIRS).fit(kg, priors)
    stranger = ClassGraph.from_triples([("http://x/livesIn", PARENT, "http://x/a")])
    with pytest.raises(InputError, match="knows 1 of 7 seen relations"):
        propagated_prototypes(
            network_of("gcn"), stranger, kg.relations, torch.unique(kg.train[:, 1]), torch.ones(7, 2), engine=quiet()
        )
    for changes, message in (
        ({"generator": "wgan"}, "stands in place of a generator"),
        ({"ranker": "evidence"}, "a ranker has no relation network"),
        ({"relation_network": {"name": "gcn", "hiden": 3}}, "no option 'hiden'"),
        ({"relation_network": "tfidf"}, "cannot be taught vectors"),
    ):
        with pytest.raises(InputError, match=message):
            recipe(priors, tmp_path, schema, **changes)
    without = recipe(priors, tmp_path, schema)
    without.graph = None
    with pytest.raises(InputError, match="needs a schema"):
        run(without, data=kg, progress=False)
