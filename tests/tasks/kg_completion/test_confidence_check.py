"""Confidences held against the test triples: what is off is told, facts and other answers are not mixed up."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from kgzsl.datasets import KGSplit
from kgzsl.knowledge import ClassGraph
from kgzsl.recipe import Recipe
from kgzsl.tasks.kg_completion import run
from kgzsl.tasks.kg_completion.candidate_rules import make_rule
from kgzsl.tasks.kg_completion.confidence_check import check_confidences
from kgzsl.tasks.kg_completion.evidence.calibration import calibration_errors
from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds
from kgzsl.tasks.kg_completion.ordinary.protocol import OrdinaryProtocol
from kgzsl.tasks.kg_completion.protocol import CompletionProtocol


class Told:
    """Says of every answer what a table says; ``silent`` relations have no probabilities."""

    def __init__(self, kg: KGSplit, chance: float, otherwise: float = 0.0, silent: tuple[int, ...] = ()) -> None:
        self.kg, self.chance, self.otherwise, self.silent = kg, chance, otherwise, silent
        self.asked = 0
        self.kinds_ = EntityKinds.read(kg.entities, kg.relations)
        self.relations_, self.entities_, self._known = kg.relations, kg.entities, kg.train

    def ruled_out(self, relation, anchors, side):
        return None

    def calibrations_for(self, relation):
        return () if relation in self.silent else ("one",)

    def probabilities(self, relation, anchors, *, side):
        self.asked += len(anchors)
        found = torch.full((len(anchors), self.kg.num_entities), self.otherwise)
        number = torch.full_like(anchors, relation)
        known = self.kg.filter
        row, entity = known.tails(anchors, number) if side == "tail" else known.heads(number, anchors)
        found[row, entity] = self.chance
        return found


def _everything(relation, anchors, side):
    return torch.ones(len(anchors), 1, dtype=torch.bool)


def checked(kg, model, **options):
    return check_confidences(model, kg, kg.test, kg.train, **options)


def test_what_the_schema_says_counts_as_where_answers_are_asked_for(kg):
    model = Told(kg, 0.6)
    schema = ClassGraph.from_triples([("livesIn", "subPropertyOf", "residesIn")])
    lives, resides = kg.relation("livesIn"), kg.relation("residesIn")
    as_lives = kg.test[kg.test[:, 1] == resides].clone()
    as_lives[:, 1] = lives
    facts = torch.cat([kg.train, as_lives])
    some = kg.test[kg.test[:, 1] == resides]
    assert check_confidences(model, kg, some, kg.train).error == pytest.approx(0.4)
    # All that is true follows, and is told as certain.
    right = check_confidences(model, kg, some, facts, schema=schema, sides="tail")
    assert right.error == pytest.approx(0, abs=1e-6)
    assert (right.follow, right.borne_out, right.error_of_others) == (len(some), len(some), None)
    assert f"of {len(some)} answers that follow by the schema {len(some)} are: without them none" in right.line()
    # What follows and is no fact of the test is told apart from what the method is off by.
    more = as_lives.clone()
    more[:, 2] = (more[:, 2] + 1) % kg.num_entities
    told = torch.cat([facts, more])
    half = check_confidences(Told(kg, 0.6, otherwise=0.2), kg, some, told, schema=schema, sides="tail")
    assert (half.follow, half.borne_out) == (2 * len(some), len(some))
    assert half.error_of_others == pytest.approx(0.2)
    assert half.metrics()["kgc.confidence.follow"] == 2 * len(some)
    assert half.metrics()["kgc.confidence.follow_borne_out"] == len(some)
    assert half.metrics()["kgc.confidence.error_of_others"] == pytest.approx(0.2)
    assert "without them they are off by 0.200" in half.line()
    assert "kgc.confidence.follow" not in check_confidences(model, kg, some, kg.train).metrics()
    # What is refused, at either end, has no confidence, whether it follows or not.
    for axiom in ("range", "domain"):
        end = 2 if axiom == "range" else 0
        types = dict.fromkeys((kg.entities[entity] for entity in some[:, end].tolist()), "City")
        against = [
            ("residesIn", f"rdfs:{axiom}", "Moon"),
            ("Moon", "disjointWith", "City"),
            ("livesIn", "subPropertyOf", "residesIn"),
        ]
        moon = ClassGraph.from_triples(against)
        model.kinds_ = EntityKinds.read(kg.entities, kg.relations, moon, types=types)
        assert check_confidences(model, kg, some, facts, schema=moon, sides="tail").answers == 0
    model.kinds_, model.ruled_out = EntityKinds.read(kg.entities, kg.relations), _everything
    assert check_confidences(model, kg, some, facts, schema=schema, sides="tail").answers == 0


def test_right_confidences_are_not_off_and_wrong_ones_are_by_as_much_as_they_are(kg):
    assert checked(kg, Told(kg, 1.0)).error == pytest.approx(0)
    shy = checked(kg, Told(kg, 0.6))
    assert (shy.error, shy.error_of_one) == (pytest.approx(0.4), pytest.approx(0.4))
    assert shy.lean == pytest.approx(-0.4)
    assert "too low by 0.400 on the whole" in shy.line()
    # What is true counts for little among the many that are not.
    wild = checked(kg, Told(kg, 0.0, otherwise=0.9))
    assert wild.error == pytest.approx(0.9)
    assert "off by 0.900" in wild.line()
    assert "too high by 0.900" in wild.line()
    nothing = checked(kg, Told(kg, 0.04))
    assert (nothing.error, nothing.answers) == (None, 0)
    assert "no answer is above 0.05" in nothing.line()
    assert nothing.metrics() == {"kgc.confidence.answers": 0.0}


def test_facts_are_no_answers(kg):
    # As facts the test triples are proposed to nobody.
    found = check_confidences(Told(kg, 1.0), kg, kg.test, torch.cat([kg.train, kg.test]))
    assert found.answers == 0


def test_ends_and_numbers_of_queries(kg):
    both, tails = checked(kg, Told(kg, 1.0)), checked(kg, Told(kg, 1.0), sides="tail")
    anchors = {(r, h) for h, r, _ in kg.test.tolist()}
    others = {(r, t) for _, r, t in kg.test.tolist()}
    assert tails.queries == len(anchors)
    assert both.queries == len(anchors) + len(others)
    few = Told(kg, 1.0)
    assert checked(kg, few, each=2).queries == 2 * 2 * 2 == few.asked
    silent = int(kg.test[0, 1])
    assert checked(kg, Told(kg, 1.0, silent=(silent,))).relations == 1
    assert checked(kg, Told(kg, 1.0, silent=tuple(range(9)))) is None
    small = checked(kg, Told(kg, 0.7), budget=1)
    assert small == checked(kg, Told(kg, 0.7))


def test_relations_weigh_alike(kg):
    one, other = torch.unique(kg.test[:, 1]).tolist()
    few = replace(kg, test=torch.cat([kg.test[kg.test[:, 1] == one], kg.test[kg.test[:, 1] == other][:1]]))

    class Half(Told):
        def probabilities(self, relation, anchors, *, side):
            self.chance = 0.6 if relation == one else 1.0
            return super().probabilities(relation, anchors, side=side)

    # Ten facts of the one are off by .4, a single one of the other is not off.
    assert checked(few, Half(few, 1.0), sides="tail").error_of_one == pytest.approx(0.4 * 0.5)


def test_errors_by_hand():
    chance = torch.tensor([0.95, 0.95, 0.65, 0.02], dtype=torch.float64)
    truth = torch.tensor([1.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    weight = torch.tensor([1.0, 1.0, 2.0, 9.0], dtype=torch.float64)
    group = torch.tensor([4, 4, 7, 7])
    error, alone = calibration_errors(chance, truth, weight, group, fewest=1)
    assert error == pytest.approx((abs(1 - 1.9) + 2 * 0.35) / 4)
    assert alone == pytest.approx((abs(1 - 1.9) + 2 * 0.35) / 4)
    assert calibration_errors(chance, truth, weight, group, fewest=3) == (None, None)
    assert calibration_errors(chance[:0], truth[:0], weight[:0], group[:0], fewest=0) == (None, None)


@pytest.mark.parametrize("kind", [CompletionProtocol, OrdinaryProtocol])
def test_test_triples_come_last(kind, kg):
    protocol = kind(kg, [make_rule("all", kg)], validation="none")
    with pytest.raises(RuntimeError, match="come last"):
        protocol.check_confidences(Told(kg, 1.0))
    protocol.final_score({"it": lambda relation, anchors, side: torch.rand(len(anchors), kg.num_entities)})
    assert protocol.check_confidences(Told(kg, 1.0)).error == pytest.approx(0)


def test_a_run_tells_how_far_its_confidences_are_off(kg, priors, tmp_path):
    priors.save(tmp_path / "priors.safetensors")
    ranker = {"name": "evidence", "folds": 4, "queries": 8, "corrupted": 12, "steps": 60, "hidden": 8, "dim": 8}
    content = {
        "task": "kg_completion",
        "dataset": "world",
        "ranker": ranker,
        "priors": [{"name": "file", "path": str(tmp_path / "priors.safetensors")}],
        "controls": ["chance"],
        "protocol": {"seeds": 2},
        "train": {"device": "cpu"},
    }
    result = run(Recipe.build(content), data=kg, progress=False)
    asked = kg.in_name_order()
    told = check_confidences(result.model, asked, asked.test, asked.train)
    assert result.metrics["kgc.confidence.answers"] == told.answers > 0
    assert result.metrics["kgc.confidence.error"] == pytest.approx(told.error)
    assert told.line() in result.warnings
    assert "kgc.confidence.error" not in result.per_seed[1]
    content["ranker"] = {**ranker, "calibrate": False}
    bare = run(Recipe.build(content), data=kg, progress=False)
    assert not [name for name in bare.metrics if "confidence" in name]
