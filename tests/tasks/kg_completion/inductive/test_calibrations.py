"""Probabilities of relations that have facts where they are asked, and of those that have none."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from kgzsl.cli.app import run as run_cli
from kgzsl.datasets import KGSplit
from kgzsl.knowledge import ClassPriors
from kgzsl.tasks.kg_completion import load_completer
from kgzsl.tasks.kg_completion.evidence.calibration import fit_calibration
from kgzsl.tasks.kg_completion.evidence.judged import Judged
from kgzsl.tasks.kg_completion.inductive import (
    InductiveTask,
    InformedCompleter,
    RmpiCompleter,
    UltraCompleter,
)
from kgzsl.tasks.kg_completion.inductive.asking import Asked, put_aside, put_relations_aside
from kgzsl.tasks.kg_completion.inductive.calibrations import Calibrations
from kgzsl.tasks.kg_completion.inductive.fact_graph import FactGraph
from kgzsl.tasks.kg_completion.inductive.informed import COLUMNS, _cross_fitted
from kgzsl.tasks.kg_completion.proposals import propose
from tests.tasks.kg_completion.renumbering import renumbered

NAMES = ["ultra", "informed", "rmpi"]
FAMILIES, AKIN = 3, 8


@pytest.fixture
def wide() -> KGSplit:
    """Three families of eight relations over forty entities; those of a family lead to the same place."""
    random = np.random.default_rng(0)
    goal = random.integers(0, 40, size=(FAMILIES, 40))
    train = [
        (f"e{head}", f"r{family}_{number}", f"e{goal[family, head]}")
        for family in range(FAMILIES)
        for number in range(AKIN)
        for head in random.choice(40, size=10, replace=False)
    ]
    test = [(f"e{head}", "new", f"e{goal[0, head]}") for head in range(12)]
    return KGSplit.from_names(train, [], test, unseen_relations=["new"], name="wide")


@pytest.fixture
def told(wide) -> ClassPriors:
    rows = [np.eye(FAMILIES)[0 if name == "new" else int(name[1])] for name in wide.relations]
    return ClassPriors(tuple(wide.relations), np.array(rows, dtype=np.float32))


def fitted(name: str, wide: KGSplit, told: ClassPriors, checkpoint: str, **changes):
    small = {"queries": 60, "others": 30, "checkpoint": checkpoint, **changes}
    if name == "rmpi":
        del small["checkpoint"]
        small |= {"dim": 8, "epochs": 1}
    kind = {"ultra": UltraCompleter, "informed": InformedCompleter, "rmpi": RmpiCompleter}[name]
    given = {} if name == "ultra" else {"priors": told}
    return kind(**small).fit(InductiveTask.training(wide), InductiveTask.asked(wide), **given)


@pytest.mark.parametrize("name", NAMES)
def test_a_relation_without_facts_has_probabilities_of_relations_held_out_whole(name, wide, told, checkpoint, tmp_path):
    model = fitted(name, wide, told, checkpoint)
    new, known = model._relation("new"), model._relation("r0_1")
    (bare,), (plain,) = model.calibrations_for(new), model.calibrations_for(known)
    assert (bare.held_out, plain.held_out) == ("relations", "facts")
    assert bare.groups >= 5
    assert model.chosen_["bare_calibration.queries"] == bare.queries >= 12
    anchors = torch.arange(5)
    scores = model.scores(new, anchors)
    assert torch.equal(model.calibration_of(scores, new, anchors, "tail"), bare(scores))
    assert not torch.allclose(bare(scores), plain(scores), atol=1e-4)
    model.save(tmp_path / "model")
    again = load_completer(tmp_path / "model", device="cpu")
    assert again.calibrations_for(new) == (bare,)
    # Once it has a fact it is as others are.
    again.set_facts(torch.cat([again._known, torch.tensor([[0, new, 1]])]))
    assert again.calibrations_for(new) == (plain,)


@pytest.mark.parametrize("name", NAMES)
def test_with_few_relations_there_is_no_probability_for_one_without_facts(name, kg, priors, checkpoint):
    model = fitted(name, kg, priors, checkpoint)
    assert model.calibration_ is not None
    assert model.calibrations_for(model._relation("residesIn")) == ()
    found = propose(model, "residesIn", heads=["p1"], top=3)
    assert [one.confidence for one in found.found] == [None] * 3
    assert any("residesIn has no fact" in note and "more relations to hold out" in note for note in found.notes)
    assert propose(model, "livesIn", heads=["c1"], top=3).found[0].confidence is not None


def drawn(num_relations: int, each: int, others: int) -> Asked:
    relation = torch.arange(num_relations).repeat_interleave(each).repeat(2)
    relation[len(relation) // 2 :] += num_relations
    answers = torch.randint(50, (len(relation), 1 + others))
    graph = FactGraph(torch.zeros(1, 3, dtype=torch.int64), 50, num_relations)
    one, none = torch.ones_like(relation), torch.zeros_like(relation)
    return Asked(graph, none, relation, answers, torch.zeros_like(answers, dtype=torch.bool), one, none)


def test_what_is_known_of_facts_is_not_said_of_relations():
    torch.manual_seed(0)
    asked = drawn(12, 6, 20)
    sure = torch.randn(len(asked), 21)
    sure[:, 0] += 8
    unsure = torch.randn(len(asked), 21)
    found = Calibrations.fit((asked, sure), (asked, unsure))
    best = torch.tensor([[8.0, *[0.0] * 49]])
    assert found.facts(best)[0, 0] > 0.5
    assert found.relations(best)[0, 0] < 0.2
    assert found.of(True) == (found.facts,)
    assert found.of(False) == (found.relations,)
    assert Calibrations.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert Calibrations.from_dict({"calibration": None}) == Calibrations()
    assert Calibrations.fit(None, None).of(True) == ()


def test_relations_weigh_alike_however_many_queries_they_have():
    torch.manual_seed(0)
    asked = drawn(10, 4, 20)
    scores = torch.randn(len(asked), 21)
    scores[:, 0] += 4
    relation = asked.relation % 10
    # Nine relations once, and the last one nine times over.
    again = torch.cat([torch.arange(len(asked)), *[torch.nonzero(relation == 9).flatten()] * 8])
    parts = ("subject", "relation", "answers", "wrong", "truths", "known")
    more = Asked(asked.graph, *(getattr(asked, part)[again] for part in parts))
    one, other = Calibrations.fit(None, (asked, scores)), Calibrations.fit(None, (more, scores[again]))
    assert other.relations.queries > one.relations.queries
    assert other.relations.of_score == pytest.approx(one.relations.of_score, abs=1e-6)
    assert other.relations.bias == pytest.approx(one.relations.bias, abs=1e-6)


def test_informed_scores_a_relation_that_is_held_out_by_what_others_taught():
    torch.manual_seed(0)
    asked = drawn(8, 6, 20)
    table = torch.randn(len(asked), 21, len(COLUMNS))
    first = asked.relation % 8 == 0
    table[first, 0, 1] += 6  # a column that tells the answer, of one relation alone
    scores = _cross_fitted(table, asked)
    rank = (scores[:, 1:] >= scores[:, :1]).sum(dim=1)
    assert float(rank[first].float().mean()) > 4  # by chance: 10
    table[:, 0, 2] += 6  # one that tells it of them all
    scores = _cross_fitted(table, asked)
    assert int((scores[:, 1:] >= scores[:, :1]).sum(dim=1)[first].float().mean()) <= 1


def test_informed_asks_for_relations_by_name(wide, told, checkpoint):
    one, two = (fitted("informed", kg, told, checkpoint).bare_calibration_ for kg in (wide, renumbered(wide, 3)))
    assert one.of_score == pytest.approx(two.of_score, abs=1e-2)
    assert one.queries == two.queries
    task = InductiveTask.training(wide)
    aside = put_relations_aside(
        task.facts, task.entities, task.relations, share=0.25, queries=60, others=30, seed=0
    )  # fmt: skip
    assert one.queries == len(aside)


def test_a_run_and_its_proposals_tell_on_what_confidences_rest(wide, told, tmp_path, capsys):
    (tmp_path / "kg").mkdir()
    for part, triples in (("train", wide.train), ("test", wide.test)):
        lines = [f"{wide.entities[h]}\t{wide.relations[r]}\t{wide.entities[t]}\n" for h, r, t in triples.tolist()]
        (tmp_path / "kg" / f"{part}.txt").write_text("".join(lines))
    told.save(tmp_path / "priors.safetensors")
    recipe = {
        "task": "kg_completion",
        "dataset": {"name": str(tmp_path / "kg"), "unseen_relations": ["new"]},
        "ranker": {"name": "rmpi", "dim": 8, "epochs": 1, "queries": 60, "others": 30},
        "priors": [{"name": "file", "path": str(tmp_path / "priors.safetensors")}],
        "controls": ["chance"],
        "train": {"device": "cpu"},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    folder = str(tmp_path / "run")
    assert run_cli(["run", str(tmp_path / "recipe.yaml"), "--out", folder, "--quiet"]) == 0
    capsys.readouterr()
    assert run_cli(["info", folder]) == 0
    assert "confidences of relations without facts: calibration error" in capsys.readouterr().out
    assert run_cli(["complete", folder, "--relation", "new", "--head", "e1", "--out", str(tmp_path / "o.tsv")]) == 0
    said = capsys.readouterr().out
    assert " held-out relations, " in said
    assert "its confidences are those of relations that were held out whole" in " ".join(said.split())


def test_answers_that_were_put_aside_are_counted_apart_from_those_that_are_left(wide):
    task = InductiveTask.training(wide)
    for asked in (
        put_aside(task.facts, task.entities, task.relations, share=0.4, queries=40, others=5, seed=0),
        put_relations_aside(task.facts, task.entities, task.relations, share=0.4, queries=40, others=5, seed=0),
    ):
        left = {tuple(fact) for fact in asked.graph.triples.tolist()}
        every = {tuple(fact) for fact in task.facts.tolist()}
        for given, directed, truths, known in zip(
            asked.subject.tolist(), asked.relation.tolist(), asked.truths.tolist(), asked.known.tolist(), strict=True
        ):
            turned, relation = divmod(directed, len(task.relations))
            mine = {fact for fact in every if fact[1] == relation and fact[2 if turned else 0] == given}
            assert truths == len(mine - left) >= 1
            assert known == len(mine & left)
    assert int(asked.truths.max()) > 1
    assert not asked.known.any()


def test_a_known_fact_takes_no_share_of_the_others(wide, told, checkpoint):
    model = fitted("ultra", wide, told, checkpoint)
    relation, anchors = model._relation("r0_1"), torch.arange(40)
    known = model.known_answers(relation, anchors, "tail")
    facts = {(h, t) for h, r, t in model._known.tolist() if r == relation}
    assert {tuple(place) for place in known.nonzero().tolist()} == facts
    scores = model.scores(relation, anchors)
    found = model.calibration_of(scores, relation, anchors, "tail")
    assert torch.equal(found, model.calibration_(scores, None, known))
    has = known.any(dim=1)
    assert not torch.allclose(found[has], model.calibration_(scores)[has], atol=1e-6)
    turned = model.known_answers(relation, torch.tensor([3, 3, 1]), "head")
    assert torch.equal(turned[0], turned[1])
    assert {(int(h), 3) for h in turned[0].nonzero()} == {(h, t) for h, t in facts if t == 3}


def test_an_anchor_counts_once_however_many_of_its_facts_were_put_aside():
    torch.manual_seed(0)
    asked = drawn(10, 12, 20)
    scores = torch.randn(len(asked), 21)
    scores[:, 0] += torch.linspace(0, 6, len(asked) // 2).repeat(2)
    # Every fact of the first relations six times over, as one of six true answers at both ends.
    many = asked.relation % 10 < 5
    facts = torch.arange(len(asked) // 2)
    again = torch.cat([facts, *[facts[many[: len(facts)]]] * 5])
    again = torch.cat([again, again + len(facts)])
    parts = ("subject", "relation", "answers", "wrong", "known")
    told = {part: getattr(asked, part)[again] for part in parts}
    more = Asked(asked.graph, truths=torch.where(many[again], 6, 1), **told)
    once = Asked(asked.graph, truths=torch.where(many, 6, 1), **{part: getattr(asked, part) for part in parts})
    found = Calibrations.fit((more, scores[again]), None).facts
    rows = torch.arange(len(asked))
    # The same answers, each anchor once, with the weight that its six queries have together.
    judged = Judged.of_drawn(
        scores, once.wrong, once.truths, 50 - once.truths, rows % len(facts)
    )  # fmt: skip
    plain = fit_calibration(replace(judged, weight=torch.ones(len(rows))), fewest_groups=6, alike=False)
    facts_alike = torch.arange(len(again)) % (len(again) // 2)
    loud = fit_calibration(
        Judged.of_drawn(scores[again], more.wrong, more.truths, 50 - more.truths, facts_alike), fewest_groups=6
    )
    told_of, plain_of, loud_of = (one(scores) for one in (found, plain, loud))
    assert float((told_of - plain_of).abs().max()) < 0.06
    assert float((loud_of - plain_of).abs().max()) > 0.1
