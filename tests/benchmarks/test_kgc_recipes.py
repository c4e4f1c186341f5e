"""Cells of the table of completion that are recipes of papers: each with its own parts, as a run would have them."""

from __future__ import annotations

import random

import pytest

from kgzsl import priors
from kgzsl.benchmarks import kgc_cell, kgc_recipes, kgc_table
from kgzsl.benchmarks.kgc_recipes import PAPERS, ROWS, SHUFFLED
from kgzsl.priors.disentangled.encoder import Disentangled
from kgzsl.priors.propagation import GCN
from kgzsl.priors.text.sentences import Text
from kgzsl.priors.text_aware.encoder import TextAware
from kgzsl.recipe import Recipe
from kgzsl.tasks.kg_completion import PairFeatures, pair_features, run

DRAWN = random.Random(0)
PEOPLE, CITIES, LANDS = ([f"concept:{kind}:{i}" for i in range(n)] for kind, n in (("p", 24), ("c", 12), ("l", 4)))
HOME = {person: DRAWN.choice(CITIES) for person in PEOPLE}
LAND = {city: DRAWN.choice(LANDS) for city in CITIES}
FRIEND = {person: DRAWN.choice(PEOPLE) for person in PEOPLE}
FACTS = {
    "train": {
        "livesin": list(HOME.items()),
        "bornin": [(person, DRAWN.choice(CITIES)) for person in PEOPLE[::2]],
        "liesin": list(LAND.items()),
        "hascity": [(land, city) for city, land in LAND.items()],
        "friendof": list(FRIEND.items()),
        "knows": list(FRIEND.items())[::2],
    },
    "valid": {"residesin": list(HOME.items())[:6]},
    # No rule: what is right by chance differs from model to model.
    "test": {"visits": [(person, DRAWN.choice(CITIES)) for person in PEOPLE]},
}
ENDS = {
    "livesin": "pc", "bornin": "pc", "liesin": "cl", "hascity": "lc", "friendof": "pp", "knows": "pp",
    "residesin": "pc", "visits": "pc",
}  # fmt: skip
PAIRS = {"dim": 8, "link_dim": 8, "steps": 8, "batch_size": 8, "queries": 6, "corrupted": 4, "support": 2}
SMALL = {"pairs": PAIRS, "generator": {"hidden": 16, "epochs": 6}, "relation_network": {"epochs": 5}}


@pytest.fixture
def smaller(tmp_path, monkeypatch):
    """A little world on disk, and its schema in place of NELL's."""
    for part, relations in FACTS.items():
        lines = [f"{h}\tconcept:{name}\t{t}\n" for name, pairs in relations.items() for h, t in pairs]
        (tmp_path / f"{part}.txt").write_text("".join(lines))
    told = [
        f':{name} rdfs:domain :{ends[0]} ; rdfs:range :{ends[1]} ; rdfs:comment "{name} of {i}" .\n'
        for i, (name, ends) in enumerate(ENDS.items())
    ]
    prefixes = "@prefix : <http://x/> .\n@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n"
    (tmp_path / "schema.ttl").write_text(prefixes + "".join(told))
    monkeypatch.setattr(kgc_cell, "data_file", lambda _path: str(tmp_path / "schema.ttl"))
    return {**SMALL, "dataset": str(tmp_path)}


@pytest.fixture
def used(monkeypatch):
    """What a cell used: encoders that were fitted, graph networks that were taught, and how pairs were trained."""
    found = {"encoders": [], "networks": [], "pairs": []}
    for kind in (Text, TextAware, Disentangled):

        def fit(self, graph, _fit=kind.fit, **more):
            found["encoders"].append((self.name, self.get_params(), graph.provenance.get("shuffled")))
            return _fit(self, graph, **more)

        monkeypatch.setattr(kind, "fit", fit)
    regress, features = GCN.regress, PairFeatures.fit
    monkeypatch.setattr(GCN, "regress", lambda self, *a, **k: found["networks"].append(self) or regress(self, *a, **k))

    def trained(self, *given, **more):
        found["pairs"].append((self.loss, self.prototype, self.neighbours))
        return features(self, *given, **more)

    monkeypatch.setattr(pair_features.PairFeatures, "fit", trained)
    return found


def measured(method, smaller):
    return kgc_cell.measure({"dataset": "nell_zs", "method": method, "seed": 0, "smaller": smaller})["figures"]


def test_every_row_stands_in_the_table():
    assert all(kgc_table.CELLS["nell_zs"][cell] == 5 for cell in PAPERS)


def test_zsgan_reads_texts_alone_and_trains_pairs_by_the_margin(smaller, used):
    found = measured("zsgan", smaller)
    assert set(found) == {"zsgan", "chance"}  # no ontology, so none to shuffle
    assert used["pairs"] == [("margin", "support", 50)]
    ((name, options, shuffled),) = used["encoders"]
    assert (name, shuffled) == ("text", None)
    assert "axioms" not in options["parts"]
    assert not used["networks"]


def test_ontozsl_reads_the_ontology_by_the_text_aware_encoder(smaller, used):
    found = measured("ontozsl", smaller)
    assert set(found) == {"ontozsl", "ontozsl" + SHUFFLED, "chance"}
    assert [(name, shuffled) for name, _, shuffled in used["encoders"]] == [("text_aware", None), ("text_aware", 1)]
    assert used["pairs"] == [("softmax", "transfer", None)] * 2
    assert not used["networks"]


def test_both_rows_of_dozsl_have_one_training_of_pairs_and_a_vector_in_components(smaller, used):
    found = measured("dozsl", smaller)
    rows = ("dozsl-gan", "dozsl-gcn")
    assert set(found) == {*rows, *(row + SHUFFLED for row in rows), "chance"}
    # Once for the priors, once for what the network's nodes begin with.
    told = [(name, options["components"], shuffled) for name, options, shuffled in used["encoders"]]
    assert told == [("disentangled", 4, None)] * 2 + [("disentangled", 4, 1)] * 2
    assert len(used["pairs"]) == 2  # the real ontology and the shuffled one
    graphs = [(network.base, network.graph.provenance.get("shuffled")) for network in used["networks"]]
    assert graphs == [("disentangled", None), ("disentangled", 1)]
    # The network tells other prototypes than the generator.
    assert found["dozsl-gan"] != found["dozsl-gcn"]
    columns = {"mrr", "hits@10", "range.mrr", "all.mrr"}
    assert all(columns <= set(figures) for figures in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("cell", PAPERS)
def test_rows_are_what_a_run_of_their_lines_gives(smaller, tmp_path, cell):
    found = measured(cell, smaller)
    for row in PAPERS[cell]:
        small = {key: value for key, value in SMALL.items() if ROWS[row].get(key, True) is not None}
        lines = {"generator": kgc_recipes._GENERATOR, **ROWS[row]}
        for key in ("pairs", "generator", "relation_network"):
            if key in small and (key == "pairs" or lines.get(key)):
                lines[key] = {**lines.get(key, {}), **small[key]}
        recipe = Recipe.build(
            {
                "task": "kg_completion",
                "dataset": str(tmp_path),
                "graph": {"source": str(tmp_path / "schema.ttl")},
                "protocol": {"candidates": "type", "sides": "tail", "seeds": [0]},
                "train": {"device": "cpu"},
                "controls": ["chance", "shuffled"],
                **lines,
            }
        )
        metrics = run(recipe, progress=False).metrics
        for name, prefix in ((row, ""), (row + SHUFFLED, "control.shuffled."), ("chance", "control.chance.")):
            if name in found:
                told = {key: metrics[f"{prefix}kgc.{key}"] for key in found[name]}
                assert found[name] == pytest.approx(told), name


def test_names_of_encoders_in_the_rows_are_known():
    for lines in ROWS.values():
        for prior in lines["priors"]:
            options = {key: value for key, value in prior.items() if key != "name"}
            priors.make(prior["name"], **options)
