"""The ranker learns from seen relations what to trust, answers for unseen ones, and comes back from disk."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from kgzsl.datasets import KGSplit
from kgzsl.engine import Engine
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion import load_completer
from kgzsl.tasks.kg_completion._ranks import rank_of_names
from kgzsl.tasks.kg_completion.candidate_rules import CandidateRule
from kgzsl.tasks.kg_completion.evaluation import evaluate
from kgzsl.tasks.kg_completion.evidence import EvidenceCompleter, cross_fit
from kgzsl.tasks.kg_completion.evidence.episodes import draw_episodes
from kgzsl.tasks.kg_completion.evidence.facts import ENTITY, PAIR, QUERY
from kgzsl.tasks.kg_completion.evidence.held import HeldEvidence
from tests.tasks.kg_completion.renumbering import renumbered

SMALL = {
    "folds": 7,
    "queries": 8,
    "corrupted": 12,
    "steps": 80,
    "batch_size": 16,
    "hidden": 8,
    "dim": 8,
    "calibrate": False,
}
CALIBRATED = {**SMALL, "calibrate": True, "steps": 20}


@pytest.fixture
def fitted(kg, priors):
    return EvidenceCompleter(**SMALL).fit(kg, priors)


def test_it_learns_that_similar_links_count(kg, fitted):
    right = [
        fitted.complete("residesIn", head=kg.entities[h], k=1)[0].tail == kg.entities[t]
        for h, r, t in kg.test.tolist()
        if kg.relations[r] == "residesIn"
    ]
    assert sum(right) >= 8
    untrained = EvidenceCompleter(**{**SMALL, "steps": 1, "lr": 0.0}).fit(kg, fitted.priors_)
    assert not torch.equal(untrained.scores("residesIn", torch.arange(3)), fitted.scores("residesIn", torch.arange(3)))


def test_block_scoring_is_the_forward_pass(kg, fitted):
    evidence, relation, anchors = fitted.evidence("head"), kg.relation("nationOf"), torch.arange(30, 36)
    whole = torch.cat(
        [
            evidence.of_query(relation, anchors)[:, None].expand(-1, kg.num_entities, -1),
            evidence.of_entities(relation)[None].expand(len(anchors), -1, -1),
            torch.stack(list(evidence.of_pairs(relation, anchors)), dim=-1),
        ],
        dim=-1,
    )
    assert whole.shape[-1] == len(QUERY) + len(ENTITY) + len(PAIR)
    with torch.no_grad():
        expected = fitted.ranker_.eval()(whole)
    torch.testing.assert_close(fitted.scores(relation, anchors, side="head"), expected, atol=1e-4, rtol=1e-4)
    fitted.memory_budget = 1
    torch.testing.assert_close(fitted.scores(relation, anchors, side="head"), expected, atol=1e-4, rtol=1e-4)


def test_the_hidden_relation_and_its_fold_are_out_of_the_facts(kg, fitted):
    given = []

    def spy(triples, turned):
        given.append((triples, turned))
        return fitted._evidence_of(triples, turned)

    made = draw_episodes(
        kg.train, kg.num_entities, spy, folds=3, queries=4, corrupted=5, sides="both", candidates={},
        generator=torch.Generator().manual_seed(0), chunk=3,
    )  # fmt: skip
    assert len(given) == 6
    seen = set(kg.seen_relations.tolist())
    hidden = [seen - set(triples[:, 1].tolist()) for triples, _ in given]
    assert all(hidden[2 * i] == hidden[2 * i + 1] for i in range(3))
    assert set().union(*hidden) == seen
    assert sum(len(one) for one in hidden[::2]) == len(seen)
    assert made.evidence.shape == (len(made), 6, len(QUERY) + len(ENTITY) + len(PAIR))
    assert not made.wrong[:, 0].any()
    assert set(made.relation.tolist()) == seen


def test_wrong_answers_that_are_true_are_marked(kg, fitted):
    lives = kg.relation("livesIn")
    residents = kg.train[(kg.train[:, 1] == lives)]
    made = draw_episodes(
        kg.train, kg.num_entities, fitted._evidence_of, folds=7, queries=30, corrupted=4, sides="tail",
        candidates={lives: residents[:1, 2]}, generator=torch.Generator().manual_seed(0), chunk=99,
    )  # fmt: skip
    rows = made.relation == lives
    # The one candidate is the city of the first resident: true for those who live there, and for nobody else.
    assert int(made.wrong[rows, 1:].all(dim=1).sum()) == int((residents[:, 2] == residents[0, 2]).sum())
    assert (made.candidates[rows] == 1).all()


def test_runs_are_repeatable_and_validation_keeps_the_best(kg, priors, fitted):
    again = EvidenceCompleter(**SMALL).fit(kg, priors)
    torch.testing.assert_close(again.scores("nationOf", torch.arange(4)), fitted.scores("nationOf", torch.arange(4)))
    values = iter([0.9, 0.1])
    chosen = EvidenceCompleter(**SMALL).fit(kg, priors, validate=lambda _scorer: next(values))
    assert chosen.chosen_ == {"steps": 40, "validation.mrr": 0.9}
    assert not torch.equal(chosen.scores("nationOf", torch.arange(4)), fitted.scores("nationOf", torch.arange(4)))


def test_probabilities_come_from_rankers_of_the_kept_length_each_without_the_fold_it_judges(kg, priors, monkeypatch):
    made, runs, judged = [], [], []
    new_ranker, train, judge = EvidenceCompleter._new_ranker, Engine.run, cross_fit.score_episodes

    def spied(model, episodes, engine, random, steps):
        made.append((set(episodes.relation.tolist()), steps))
        return new_ranker(model, episodes, engine, random, steps)

    def counted(engine, loop, *, steps, name, **more):
        runs.append((name, steps))
        return train(engine, loop, steps=steps, name=name, **more)

    def seen(ranker, episodes):
        judged.append((set(episodes.relation.tolist()), bool(episodes.silent.all())))
        return judge(ranker, episodes)

    monkeypatch.setattr(EvidenceCompleter, "_new_ranker", spied)
    monkeypatch.setattr(cross_fit, "score_episodes", seen)
    monkeypatch.setattr(Engine, "run", counted)
    values = iter([0.9, 0.1])
    model = EvidenceCompleter(**CALIBRATED).fit(kg, priors, validate=lambda _scorer: next(values))
    assert runs == [("evidence", 20), *[("calibration", 10)] * 7]
    # The same schedule, so that the learning rate has fallen as far.
    assert [steps for _, steps in made] == [20] * 8
    seen_ranks = sorted(rank_of_names(kg.relations)[kg.seen_relations].tolist())
    # Every seen relation is judged once with and once without what is said of it, by a ranker that never saw it.
    for silent in (False, True):
        mine = [relations for relations, quiet in judged if quiet == silent]
        assert sorted(relation for relations in mine for relation in relations) == seen_ranks
        assert all(not relations & known for relations, (known, _) in zip(mine, made[1:], strict=True))
    assert model.calibration_.groups == model.silent_calibration_.groups == 7


def test_nothing_is_said_of_a_hidden_relation_in_its_silent_queries(kg, fitted):
    made = draw_episodes(
        kg.train, kg.num_entities, fitted._evidence_of, folds=3, queries=4, corrupted=5, sides="both", candidates={},
        generator=torch.Generator().manual_seed(0), chunk=3, silent=2,
    )  # fmt: skip
    cosine = made.evidence[:, 0, QUERY.index("nearest_cosine")]
    assert (cosine[made.silent] == 0).all()
    assert (cosine[~made.silent] > 0).any()
    assert int(made.silent.sum()) == 2 * 2 * len(kg.seen_relations)


def test_drawn_answers_stand_for_all_entities_and_are_not_counted_as_wrong_where_true(kg, fitted):
    knows = kg.relation("friendOf")
    made = draw_episodes(
        kg.train, kg.num_entities, fitted._evidence_of, folds=7, queries=30, corrupted=300, sides="tail",
        candidates={}, generator=torch.Generator().manual_seed(0), chunk=99,
    )  # fmt: skip
    rows = made.relation == knows
    assert (made.truths[rows] == 1).all()
    # 35 other entities for one true one; all that is true was drawn as the true answer itself.
    assert made.stands[rows, 1:].sum(dim=1).mean() == pytest.approx(35, rel=0.1)
    assert float(made.stands[made.wrong & rows[:, None]].sum()) == 0


def test_relations_of_which_nothing_is_said_get_no_more_than_such_relations_bear_out(kg, priors, fitted, tmp_path):
    schema = ClassGraph.from_triples([("livesIn", "http://www.w3.org/2000/01/rdf-schema#range", "City")])
    model = EvidenceCompleter(**CALIBRATED).fit(kg, priors, schema=schema)
    assert {"residesIn", "nationOf"} <= model.unsaid_
    # Nothing is said of this one either, but it has training triples.
    assert model.calibrations_for(kg.relation("friendOf")) == (model.calibration_,)
    assert not fitted.unsaid_
    asked, number = torch.arange(6), kg.relation("residesIn")
    found, scores = model.probabilities("residesIn", asked), model.scores("residesIn", asked)
    plain, silent = model.calibrations_for(number)
    torch.testing.assert_close(found, torch.minimum(plain(scores), silent(scores)))
    assert float(found.max()) < float(plain(scores).max())
    (note,) = model.confidence_notes(number)
    assert note.startswith("by its prior residesIn is like no other relation")
    assert not model.confidence_notes(kg.relation("livesIn"))
    # Nor do a few facts that come later tell more of what such a relation's answers bear out.
    model.set_facts(torch.cat([kg.train, torch.tensor([[0, number, 1]])]))
    assert model.calibrations_for(number) == (plain, silent)
    model.set_facts(kg.train).save(tmp_path / "model")
    again = load_completer(tmp_path / "model")
    assert again.calibrations_for(number) == (plain, silent)
    torch.testing.assert_close(again.probabilities("residesIn", asked), found, atol=1e-4, rtol=1e-3)


def test_with_few_relations_there_are_no_confidences(kg, priors, tmp_path):
    kept = torch.isin(kg.train[:, 1], kg.seen_relations[:4])
    model = EvidenceCompleter(**CALIBRATED).fit(replace(kg, train=kg.train[kept]), priors)
    assert model.calibration_ is None
    with pytest.raises(InputError, match="no calibration"):
        model.probabilities("residesIn", torch.arange(2))
    assert "too little could be held out" in model.confidence_notes(kg.relation("residesIn"))[0]
    model.save(tmp_path / "model")
    assert load_completer(tmp_path / "model").calibration_ is None


def test_training_does_not_hang_on_the_memory_budget(kg, priors, fitted):
    narrow = EvidenceCompleter(**SMALL, memory_budget=1).fit(kg, priors)
    anchors = torch.arange(6)
    torch.testing.assert_close(
        narrow.scores("residesIn", anchors), fitted.scores("residesIn", anchors), atol=1e-4, rtol=1e-4
    )


def test_what_tells_nothing_among_answers_of_one_query_has_no_weight(fitted):
    # Nothing but rounding could have moved it, and confidences are made of the scores that it would have moved.
    query = len(QUERY)
    assert not fitted.ranker_.linear[:query].any()
    assert fitted.ranker_.linear[query:].any()
    assert fitted.ranker_.first[:query].any()  # with what answers and pairs say it may count


def test_evidence_that_is_held_is_worked_out_once(kg, fitted, monkeypatch):
    work, calls = fitted.evidence_for, []

    def counted(*asked):
        calls.append(asked)
        return work(*asked)

    monkeypatch.setattr(fitted, "evidence_for", counted)
    relation, anchors, few = kg.relation("residesIn"), torch.tensor([5, 0, 9]), torch.tensor([9, 30, 2, 5])
    whole = fitted.scores(relation, anchors, side="head")
    torch.testing.assert_close(
        fitted.scores(relation, anchors, side="head", entities=few), whole[:, few], atol=1e-4, rtol=1e-4
    )
    calls.clear()
    held = HeldEvidence(fitted, 10**7)
    for _ in range(3):
        torch.testing.assert_close(held(relation, anchors, "head"), whole)
        torch.testing.assert_close(held.among(relation, anchors, "head", few), whole[:, few], atol=1e-4, rtol=1e-4)
    assert len(calls) == 2
    # What it is worth is not kept.
    fitted.ranker_.linear.data += 1
    assert not torch.allclose(held(relation, anchors, "head"), whole, atol=1e-2)
    assert len(calls) == 2
    narrow = HeldEvidence(fitted, 1)
    narrow(relation, anchors, "head")
    narrow(relation, anchors, "head")
    assert len(calls) == 4


def test_validation_asks_for_the_candidates_alone_and_once(kg, priors, monkeypatch):
    rules = [CandidateRule("all but one", dict.fromkeys(range(kg.num_relations), torch.arange(1, kg.num_entities)), {})]
    asked, work = [], EvidenceCompleter.evidence_for

    def counted(model, relation, anchors, side, entities=None):
        asked.append(None if entities is None else len(entities))
        return work(model, relation, anchors, side, entities)

    monkeypatch.setattr(EvidenceCompleter, "evidence_for", counted)
    triples = kg.test[kg.test[:, 2] > 0]
    EvidenceCompleter(**SMALL).fit(
        kg,
        priors,
        validate=lambda scorer: float(evaluate(kg, triples, scorer, rules, sides="tail").ranks["all but one"].sum()),
    )
    assert asked == [kg.num_entities - 1] * len(torch.unique(triples[:, 1]))


def test_other_facts_change_answers_without_training(kg, fitted):
    before = fitted.scores("residesIn", torch.tensor([0]))
    fitted.set_facts(kg.train[kg.train[:, 1] != kg.relation("livesIn")])
    after = fitted.scores("residesIn", torch.tensor([0]))
    assert not torch.equal(before, after)
    assert "livesIn" not in fitted.seen_


def test_saved_and_loaded_alike(fitted, tmp_path):
    loaded = load_completer(fitted.save(tmp_path / "model"))
    assert isinstance(loaded, EvidenceCompleter)
    assert torch.equal(loaded.scores("nationOf", torch.arange(3)), fitted.scores("nationOf", torch.arange(3)))
    assert loaded.seen_ == fitted.seen_


def test_bad_input(kg, priors, tmp_path):
    with pytest.raises(InputError, match="steps is 0"):
        EvidenceCompleter(steps=0)
    with pytest.raises(InputError, match="folds is 1; give a whole number, 2 or more"):
        EvidenceCompleter(folds=1)
    for option, value in (("lr", -1), ("lr", float("nan")), ("weight_decay", -1), ("lr", float("inf"))):
        with pytest.raises(InputError, match=f"{option} is {value}; give 0 or a number above it"):
            EvidenceCompleter(**{option: value})
    with pytest.raises(InputError, match="not fitted"):
        EvidenceCompleter().save(tmp_path / "x")
    lonely = KGSplit.from_names([("p0", "livesIn", "c0")], [], [("p0", "bornIn", "c0")], unseen_relations=["bornIn"])
    with pytest.raises(InputError, match="fewer than two relations"):
        EvidenceCompleter().fit(lonely, priors)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "model.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        EvidenceCompleter.load(tmp_path / "bad")
    with pytest.raises(InputError, match="no relation is called"):
        EvidenceCompleter(**SMALL).fit(kg, priors).scores("residsIn", torch.tensor([0]))


def test_nothing_asked_is_nothing_found_and_without_a_fact_there_is_no_evidence(kg, fitted):
    nobody, some = torch.arange(0), torch.arange(2)
    for side in ("tail", "head"):
        assert fitted.scores("livesIn", nobody, side=side).shape == (0, kg.num_entities)
    assert fitted.scores("livesIn", some, entities=nobody).shape == (2, 0)
    assert fitted.complete("livesIn", candidates=[]) == []
    with pytest.raises(InputError, match="no fact is known"):
        fitted.set_facts(kg.train[:0]).scores("livesIn", some)
    assert fitted.set_facts(kg.train).scores("livesIn", some).isfinite().all()


def test_a_resumed_fit_finds_the_best_of_before(kg, priors, tmp_path):
    def engine(resume):
        return Engine(device="cpu", progress=False, checkpoint=tmp_path, resume=resume)

    told = iter([0.5, 0.2])
    first = EvidenceCompleter(**SMALL).fit(kg, priors, validate=lambda scorer: next(told), engine=engine(False))
    # The run was finished, so nothing is looked at again; what was best then still is.
    again = EvidenceCompleter(**SMALL).fit(
        kg, priors, validate=lambda scorer: pytest.fail("asked again"), engine=engine(True)
    )
    assert again.chosen_ == first.chosen_ == {"steps": 40, "validation.mrr": 0.5}
    assert torch.equal(again.scores("residesIn", torch.arange(5)), first.scores("residesIn", torch.arange(5)))


def test_relations_whose_candidates_are_an_empty_list_draw_from_their_own_ends(kg, priors):
    none = {relation: torch.zeros(0, dtype=torch.int64) for relation in range(kg.num_relations)}
    fitted = EvidenceCompleter(**SMALL).fit(kg, priors, candidates=none)
    assert torch.isfinite(fitted.scores("residesIn", torch.arange(3))).all()


def test_another_numbering_of_entities_and_relations_changes_nothing(kg, priors):
    other = renumbered(kg, 1)
    place = torch.tensor([other.entities.index(name) for name in kg.entities])

    def tails(data):
        return {one: torch.unique(data.train[data.train[:, 1] == one, 2]) for one in data.seen_relations.tolist()}

    asked = torch.arange(6)
    for options in ({"steps": 1, "lr": 0.0}, {}, {"folds": 3}):
        one = EvidenceCompleter(**{**CALIBRATED, **options}).fit(kg, priors, candidates=tails(kg))
        two = EvidenceCompleter(**{**CALIBRATED, **options}).fit(other, priors, candidates=tails(other))
        for side in ("tail", "head"):
            expected = one.scores("residesIn", asked, side=side)
            found = two.scores("residesIn", place[asked], side=side)[:, place]
            torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
        expected, found = one.probabilities("residesIn", asked), two.probabilities("residesIn", place[asked])[:, place]
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
