"""Link overlap as a method: it answers as the control does, says how sure it is, and takes what is new at once."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from kgzsl.datasets import KGSplit
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.priors import Attributes
from kgzsl.recipe import Recipe
from kgzsl.tasks.kg_completion import LinkOverlap, LinkOverlapCompleter, load_completer, run
from kgzsl.tasks.kg_completion.new_facts import take_facts
from kgzsl.tasks.kg_completion.pair_graph import relation_arcs
from kgzsl.tasks.kg_completion.proposals import propose
from tests.tasks.kg_completion.conftest import DESCRIBED, ENDS
from tests.tasks.kg_completion.renumbering import renumbered


def test_answers_are_those_of_the_rule(kg, priors):
    model = LinkOverlapCompleter(power=3.0, backward=0.5, calibrate=False).fit(kg, priors)
    arcs, known = relation_arcs(kg.train, kg.num_entities, kg.num_relations)
    rows = priors.align(kg.relations).to_tensor()
    rule = LinkOverlap(arcs, rows[known], power=3.0, backward=0.5)
    asked, everyone = kg.relation("residesIn"), torch.arange(kg.num_entities)
    for side in ("tail", "head"):
        torch.testing.assert_close(
            model.scores("residesIn", everyone, side=side), rule.scores(rows[asked], everyone, side=side)
        )
    # Whoever lives somewhere resides there.
    assert {one.tail for one in model.complete("residesIn", head="p3", k=1)} == {"c3"}


def test_it_says_how_sure_it_is_and_does_not_look_at_what_it_is_asked_about(monkeypatch):
    """Twelve pairs of relations that say the same, of each of which one is as likely as not to hold too."""
    random = torch.Generator().manual_seed(0)
    train = []
    for number in range(24):
        pairs = torch.randint(40, (60, 2), generator=random)
        both = pairs[torch.rand(60, generator=random) < 0.5]
        train += [(h, 2 * number, t) for h, t in pairs.tolist()] + [(h, 2 * number + 1, t) for h, t in both.tolist()]
    names = [f"e{i:02d}" for i in range(40)], [f"r{i:02d}" for i in range(48)]
    kg = KGSplit(
        *map(tuple, names), train=torch.tensor(train), valid=torch.empty(0, 3).long(), test=torch.empty(0, 3).long()
    )
    rows = np.repeat(np.eye(24, dtype=np.float32), 2, axis=0)
    priors = ClassPriors(kg.relations, rows)
    model = LinkOverlapCompleter(folds=48).fit(kg, priors)
    assert model.calibration_ is not None
    assert model.calibration_.groups == 48
    assert model.calibration_.error < 0.1
    unlinked = model.calibration_(torch.zeros(1, 40))
    assert float(unlinked.max()) < 0.1
    one = torch.zeros(1, 40)
    one[0, 5] = 1.0
    # Of what links a pair like this, between half and all holds for the twin.
    assert 0.4 < float(model.calibration_(one)[0, 5]) < 0.95
    assert LinkOverlapCompleter(folds=48).fit(kg, priors).calibration_ == model.calibration_
    assert LinkOverlapCompleter(folds=48, seed=1).fit(kg, priors).calibration_ != model.calibration_
    hidden = []
    work = LinkOverlapCompleter._scorer_of

    def watched(self, facts, power):
        hidden.append(set(range(48)) - set(facts[:, 1].tolist()))
        return work(self, facts, power)

    monkeypatch.setattr(LinkOverlapCompleter, "_scorer_of", watched)
    for _, queries in model._judges(kg):
        assert set(queries[:, 1].tolist()) == hidden[-1]
    assert sorted(map(len, hidden)) == [1] * 48


def test_confidences_hang_on_names_and_not_on_numbers(kg, priors):
    first, other = (
        LinkOverlapCompleter(folds=3, queries=3).fit(split, priors).calibration_ for split in (kg, renumbered(kg, 3))
    )
    assert first is not None
    assert (other.groups, other.queries) == (first.groups, first.queries)
    for name in ("bias", "of_score", "of_share", "drawn"):
        assert getattr(other, name) == pytest.approx(getattr(first, name), rel=1e-4)


def test_the_power_is_chosen_where_there_is_something_to_choose_on(kg, priors):
    asked = []

    def validate(scorer):
        asked.append(float(scorer(kg.relation("residesIn"), torch.tensor([3]), "tail").max()))
        return {0: 0.1, 1: 0.1, 2: 0.4, 3: 0.2}[len(asked) - 1]

    model = LinkOverlapCompleter(calibrate=False).fit(kg, priors, validate=validate)
    assert len(set(asked)) == 4
    assert model.chosen_ == {"power": 4.0, "validation.mrr": 0.4}
    assert model.power_ == 4.0
    given = LinkOverlapCompleter(power=8.0, calibrate=False).fit(kg, priors, validate=validate)
    assert (given.power_, given.chosen_, len(asked)) == (8.0, {}, 4)


def test_it_comes_back_from_disk_and_takes_what_is_new(kg, tmp_path):
    ends = [
        (name, axiom, end)
        for name, both in ENDS.items()
        for axiom, end in zip(("rdfs:domain", "rdfs:range"), both, strict=True)
    ]
    schema = ClassGraph.from_triples(ends)
    priors = Attributes().fit(schema).priors(kg.relations)
    model = LinkOverlapCompleter(folds=7, queries=4).fit(kg, priors, schema=schema)
    back = load_completer(model.save(tmp_path / "m"))
    assert isinstance(back, LinkOverlapCompleter)
    everyone = torch.arange(kg.num_entities)
    for relation in kg.relations:
        assert torch.equal(back.scores(relation, everyone), model.scores(relation, everyone))
    assert (back.calibration_, back.get_params()) == (model.calibration_, model.get_params())
    assert propose(back, "residesIn", top=5, schema=schema) == propose(model, "residesIn", top=5, schema=schema)
    # A newcomer, by the one fact that is known of her; and a relation that the schema has since.
    take_facts(back, [("zoe", "livesIn", "c5")], schema=schema)
    assert [one.tail for one in back.complete("residesIn", head="zoe", k=1)] == ["c5"]
    grown = ClassGraph.from_triples([*ends, ("dwellsIn", "rdfs:domain", "person"), ("dwellsIn", "rdfs:range", "city")])
    back.grow(relations=["dwellsIn"], schema=grown, was=schema)
    assert [one.tail for one in back.complete("dwellsIn", head="zoe", k=1)] == ["c5"]
    file = tmp_path / "m" / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"power": None}))
    with pytest.raises(InputError, match="the model is damaged"):
        load_completer(tmp_path / "m")


def test_what_cannot_be_is_refused(kg, priors, tmp_path):
    for options, told in (
        ({"power": 0}, "power"),
        ({"backward": -1.0}, "backward"),
        ({"folds": 1}, "folds"),
        ({"queries": 0}, "queries"),
        ({"memory_budget": 0}, "memory"),
    ):
        with pytest.raises(InputError, match=told):
            LinkOverlapCompleter(**options)
    with pytest.raises(InputError, match="sides is 'left'"):
        LinkOverlapCompleter().fit(kg, priors, sides="left")
    with pytest.raises(InputError, match="not fitted yet"):
        LinkOverlapCompleter().save(tmp_path / "m")
    bare = KGSplit(kg.entities, kg.relations, train=kg.train[:0], valid=kg.valid, test=kg.test)
    with pytest.raises(InputError, match="there is no training triple"):
        LinkOverlapCompleter().fit(bare, priors)


def test_a_run_ranks_as_the_control_does_and_can_be_asked(kg, tmp_path):
    ClassPriors(tuple(DESCRIBED), np.array(list(DESCRIBED.values()), dtype=np.float32)).save(tmp_path / "p.safetensors")
    content = {
        "task": "kg_completion",
        "dataset": "world",
        "generator": None,
        "ranker": {"name": "link_overlap", "power": 2.0, "folds": 7},
        "priors": [{"name": "file", "path": str(tmp_path / "p.safetensors")}],
        "controls": ["chance", "link_overlap"],
        "protocol": {"seeds": 1, "validation": "none"},
        "train": {"device": "cpu"},
    }
    result = run(Recipe.build(content), data=kg, progress=False)
    assert [row.name for row in result.rows] == ["link_overlap", "chance"]
    assert isinstance(result.model, LinkOverlapCompleter)
    assert result.model.calibration_.groups == 7
    content |= {"ranker": "evidence", "controls": ["link_overlap"]}
    content["ranker"] = {"name": "evidence", "steps": 4, "folds": 2, "queries": 4, "corrupted": 8, "calibrate": False}
    beside = run(Recipe.build(content), data=kg, progress=False)
    assert beside.metrics["kgc.mrr"] < result.metrics["kgc.mrr"]
    assert any("ranker: link_overlap takes it" in line for line in beside.warnings)
    assert not any("ranker: link_overlap" in line for line in result.warnings)
    assert beside.metrics["control.link_overlap.kgc.mrr"] == result.metrics["kgc.mrr"]
    content["ranker"] = {"name": "link_overlap", "powr": 2}
    with pytest.raises(InputError, match="power"):
        Recipe.build(content)


def test_a_run_chooses_the_power_on_held_out_relations(kg, priors, tmp_path):
    priors.save(tmp_path / "p.safetensors")
    content = {
        "task": "kg_completion",
        "dataset": "world",
        "generator": None,
        "ranker": "link_overlap",
        "priors": [{"name": "file", "path": str(tmp_path / "p.safetensors")}],
        "controls": ["chance"],
        "protocol": {"seeds": 1, "fraction": 0.3},
        "train": {"device": "cpu"},
    }
    result = run(Recipe.build(content), data=kg, progress=False)
    assert result.model.power_ == result.selection["chosen"]["ranker"]["power"]
    # All that is known is asked, what choices were made on too.
    assert len(result.model._known) == len(torch.unique(kg.train, dim=0))
