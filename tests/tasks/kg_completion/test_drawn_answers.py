"""Ranks among drawn entities and triples told true from corrupted ones: what is drawn, and what comes of scores."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from kgzsl.datasets import FilterIndex, KGSplit
from kgzsl.errors import InputError
from kgzsl.tasks.kg_completion._assemble import drawn_note
from kgzsl.tasks.kg_completion.candidate_rules import CandidateRule
from kgzsl.tasks.kg_completion.drawn_answers import DrawnAnswers, _Allowed
from kgzsl.tasks.kg_completion.drawn_ranks import DrawnRanks
from kgzsl.tasks.kg_completion.evaluation import evaluate_all
from kgzsl.tasks.kg_completion.inductive import FactGraph, Rmpi, evaluate_drawn
from kgzsl.tasks.kg_completion.inductive.protocol import InductiveProtocol
from kgzsl.tasks.kg_completion.ordinary import OrdinaryProtocol
from kgzsl.tasks.kg_completion.protocol import CompletionProtocol
from tests.tasks.kg_completion.renumbering import renumbered

E, R = 20, 3
ALL = [CandidateRule("all", {}, {})]


def triples(count: int, seed: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return (torch.rand(count, 3, generator=random) * torch.tensor([E, R, E])).long()


@pytest.fixture
def kg() -> KGSplit:
    names = tuple(f"e{i:02}" for i in range(E)), tuple(f"r{i}" for i in range(R))
    return KGSplit(*names, train=triples(300, 0), valid=triples(5, 1), test=triples(40, 2), name="made")


def as_set(facts: torch.Tensor) -> set[tuple[int, ...]]:
    return {tuple(fact) for fact in facts.tolist()}


def test_equal_lots_fall_on_every_entity_that_is_allowed_and_on_no_other():
    # Tails of (4, 0), (0, 1) and (5, 0); that of the first question is asked once more.
    facts = torch.tensor([[4, 0, 3], [4, 0, 0], [0, 1, 3], [5, 0, 5], [5, 0, 1], [1, 1, 2]])
    index, relations, given = FilterIndex(facts, 6, 2), torch.tensor([0, 1, 0, 0]), torch.tensor([4, 0, 5, 4])
    allowed = _Allowed(index, relations, given, "tail")
    turned = _Allowed(FilterIndex(facts.flip(1), 6, 2), relations, given, "head")
    wanted = [[1, 2, 5], [1, 2, 4, 5], [0, 2, 3, 4], [1, 2, 5]]
    names = torch.arange(6) * 10
    for one in (allowed, turned):
        assert one.sizes.tolist() == [3, 4, 4, 3]
        for row, entities in enumerate(wanted):
            lots = torch.rand(4, len(entities), dtype=torch.float64)
            lots[row] = (torch.arange(len(entities)) + 0.5) / len(entities)
            assert one.pick(lots, names)[row].tolist() == [10 * entity for entity in entities]


def test_the_last_lot_falls_on_the_last_entity():
    # Rounding may make the largest lots times a size that size itself.
    allowed = _Allowed(
        FilterIndex(torch.zeros(0, 3, dtype=torch.int64), 3, 1), torch.tensor([0]), torch.tensor([2]), "tail"
    )
    assert allowed.pick(torch.ones(1, 1, dtype=torch.float64), torch.arange(3)).tolist() == [[1]]


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="peaks are read from /proc")
def test_what_many_questions_ask_alike_is_looked_up_once():
    # 4000 facts and 4000 questions about the heads of (0, entity 0): 16,000,000 answers, were each looked up by itself.
    script = """
import torch
from kgzsl.tasks.kg_completion.drawn_answers import DrawnAnswers
facts = torch.zeros(4000, 3, dtype=torch.int64)
facts[:, 0] = torch.arange(1, 4001)
asked = facts.clone()
asked[:, 0] += 4000
DrawnAnswers.draw(asked[:5], facts, 8001, 1, count=1)
open("/proc/self/clear_refs", "w").write("5")
def status(name):
    return next(1024 * int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))
before = status("VmRSS")
DrawnAnswers.draw(asked, facts, 8001, 1, count=1)
print(status("VmHWM") - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20_000_000


def test_facts_and_the_other_end_are_not_drawn_but_any_other_entity_is(kg):
    draws = DrawnAnswers.draw(kg.test, kg.train, E, R, count=400)
    facts = as_set(kg.train)
    for row, (head, relation, tail) in enumerate(kg.test.tolist()):
        tails, heads = set(draws.tails[row].tolist()), set(draws.heads[row].tolist())
        # Of 400 lots on at most 19 entities all are drawn; other test answers, and the true one, are among them.
        assert tails == {e for e in range(E) if e != head and (head, relation, e) not in facts}
        assert heads == {e for e in range(E) if e != tail and (e, relation, tail) not in facts}
        one = int(draws.instead[row])
        made = (head, relation, one) if draws.of_tail[row] else (one, relation, tail)
        assert made not in facts
        assert made[0] != made[2]
    truth_drawn = [tail in set(draws.tails[row].tolist()) for row, (_, _, tail) in enumerate(kg.test.tolist())]
    assert any(truth_drawn)


def test_an_end_is_replaced_as_often_as_repeated_draws_would_have_it():
    # From entity 0 all but one tail are facts; to entity 1 no head is.
    facts = torch.tensor([[0, 0, e] for e in range(2, 9)])
    asked = torch.tensor([[0, 0, 1]]).repeat(4000, 1)
    draws = DrawnAnswers.draw(asked, facts, 10, 1, count=1, seed=3)
    # Tails 1 and 9 are allowed, and heads 0 and 2 to 9, which are nine.
    share = float(draws.of_tail.double().mean())
    assert abs(share - 2 / 11) < 0.025
    assert set(draws.instead[draws.of_tail].tolist()) == {1, 9}
    assert set(draws.instead[~draws.of_tail].tolist()) == {0, *range(2, 10)}


def test_where_nothing_can_be_drawn_an_answer_is_first_among_itself():
    facts = torch.tensor([[0, 0, 1], [0, 0, 2]])
    asked = torch.tensor([[0, 0, 1]])
    draws = DrawnAnswers.draw(asked, facts, 3, 1, count=4, sides="tail")
    assert draws.tails.tolist() == [[-1] * 4]
    assert draws.instead.tolist() == [-1]
    found = DrawnRanks()
    found.add(torch.zeros(1, 6), draws.tails >= 0, draws.instead >= 0)
    assert found.ranks.tolist() == [1]
    assert "auc_pr" not in found.metrics()
    assert "auc_pr" not in found.chance()


def named(kg: KGSplit, draws: DrawnAnswers) -> dict[tuple[str, ...], tuple]:
    names = [[kg.entities[h], kg.relations[r], kg.entities[t]] for h, r, t in kg.test.tolist()]

    def of(table: torch.Tensor) -> list[tuple[str, ...]]:
        return [tuple(kg.entities[i] for i in row) for row in table.tolist()]

    parts = of(draws.tails), of(draws.heads), of(draws.instead[:, None]), draws.of_tail.tolist()
    return {tuple(name): found for name, found in zip(names, zip(*parts, strict=True), strict=True)}


def test_draws_go_by_names_and_by_the_seed(kg):
    kg = KGSplit(kg.entities, kg.relations, kg.train, kg.valid, torch.unique(kg.test, dim=0), name="made")
    other = renumbered(kg, 5)

    def drawn(of: KGSplit, seed: int = 0) -> dict[tuple[str, ...], tuple]:
        return named(of, DrawnAnswers.draw(of.test, of.train, E, R, seed=seed, names=(of.entities, of.relations)))

    assert drawn(kg) == drawn(other)
    assert drawn(kg) != drawn(kg, seed=1)


@pytest.mark.parametrize("count", [0, -1, 2.5, True, "7"])
def test_what_is_no_number_of_entities_is_refused(kg, count):
    with pytest.raises(InputError, match=f"the number of drawn entities is {count!r}"):
        DrawnAnswers.draw(kg.test, kg.train, E, R, count=count)


@pytest.mark.parametrize("protocol", [CompletionProtocol, OrdinaryProtocol])
def test_protocols_refuse_it_before_anything_is_trained(kg, protocol):
    with pytest.raises(InputError, match=r"protocol\.negatives is 0"):
        protocol(kg, ALL, negatives=0)


@pytest.mark.parametrize("protocol", [CompletionProtocol, OrdinaryProtocol])
def test_protocols_draw_by_their_seed_beside_what_is_known(kg, protocol):
    train, test = kg.train[kg.train[:, 1] < 2], kg.test[kg.test[:, 1] == 2]
    data = KGSplit(kg.entities, kg.relations, train, kg.valid[:0], test, name="made")

    def drawn(seed: int) -> torch.Tensor:
        asked = protocol(data, ALL, validation="none", negatives=7, seed=seed)
        return asked.final_score({"it": odd_scores})["it"].drawn.ranks

    alone = evaluate_all(data, test, {"it": odd_scores}, ALL, negatives=7, seed=3)["it"].drawn.ranks
    assert torch.equal(drawn(3), alone)
    assert not torch.equal(drawn(4), alone)


def test_no_queries_have_no_figures_with_drawn_entities_or_without(kg):
    for negatives in (None, 3):
        found = evaluate_all(kg, kg.test[:0], {"it": odd_scores}, ALL, negatives=negatives)["it"]
        metrics, chance = found.metrics({"all": "kgc."}), found.chance({"all": "kgc."})
        assert metrics["kgc.queries"] == chance["kgc.queries"] == 0
    assert metrics["kgc.drawn.queries"] == chance["kgc.drawn.queries"] == 0
    assert "kgc.drawn.auc_pr" not in metrics


def test_triples_and_names_that_do_not_fit_are_refused(kg):
    for wrong, told in (
        (-kg.test - 1, "is no entity id"),
        (kg.test + E, "is no entity id"),
        (kg.test.float(), "not ids"),
        (kg.test[:, :2], r"\[T, 3\]"),
    ):
        with pytest.raises(InputError, match=told):
            DrawnAnswers.draw(wrong, kg.train, E, R)
        with pytest.raises(InputError, match=told):
            evaluate_drawn(ByRow(Rmpi()), FactGraph(kg.train, E, R), wrong)
    with pytest.raises(InputError, match="sides is 'heads'"):
        DrawnAnswers.draw(kg.test, kg.train, E, R, sides="heads")
    with pytest.raises(InputError, match="names of 3 entities and 3 relations, but 20 and 3"):
        DrawnAnswers.draw(kg.test, kg.train, E, R, names=("abc", "rst"))
    plain = DrawnAnswers.draw(kg.test, kg.train, E, R)
    assert torch.equal(DrawnAnswers.draw(kg.test.tolist(), kg.train.numpy(), E, R).tails, plain.tails)


def test_more_than_the_budget_holds_is_refused_before_anything_is_trained(kg):
    needed = 16 * 49 * len(kg.test)  # eight bytes for each, beside heads and tails
    for protocol in (OrdinaryProtocol, InductiveProtocol):
        assert protocol(kg, ALL, negatives=49, budget=needed).negatives == 49
        with pytest.raises(InputError, match=r"draw fewer, or raise protocol\.memory_budget"):
            protocol(kg, ALL, negatives=49, budget=needed - 1)


def test_readers_are_told_what_is_drawn_from():
    assert drawn_note(49, 851).startswith("kgc.drawn: among 49 of 851 entities drawn for each query; answers of other")
    assert "among 49 of 14 entities, which come again and again, drawn" in drawn_note(49, 14)


def odd_scores(relation: int, anchors: torch.Tensor, side: str) -> torch.Tensor:
    """Many ties, and scores that are none, or infinite."""
    table = ((anchors[:, None] * 7 + torch.arange(E) * 5 + 3 * relation + (side == "head")) % 7).float()
    for level, odd in ((1, "nan"), (3, "inf"), (5, "-inf")):
        table = table.masked_fill(table == level, float(odd))
    return table


@pytest.mark.parametrize("sides", ["both", "tail"])
@pytest.mark.parametrize("budget", [1, 256 * 2**20])
def test_ranks_and_areas_are_those_of_a_plain_loop(kg, sides, budget):
    given = {"sides": sides, "negatives": 7, "seed": 4, "budget": budget}
    found = evaluate_all(kg, kg.test, {"it": odd_scores}, ALL, **given)["it"]
    draws = DrawnAnswers.draw(kg.test, kg.train, E, R, count=7, sides=sides, seed=4, names=(kg.entities, kg.relations))
    ranks: dict[tuple[int, ...], list[float]] = {}
    truth, scores = [], []
    for row, (head, relation, tail) in enumerate(kg.test.tolist()):
        for side in ("tail", "head") if sides == "both" else ("tail",):
            anchor, answer = (head, tail) if side == "tail" else (tail, head)
            own = odd_scores(relation, torch.tensor([anchor]), side)[0]
            drawn = (draws.tails if side == "tail" else draws.heads)[row].tolist()
            rank = 1 + sum(float(own[e] > own[answer]) + float(own[e] == own[answer]) / 2 for e in drawn)
            rank = 1 + 7 / 2 if own[answer].isnan() or own[answer].isneginf() else rank
            ranks.setdefault((relation, anchor, answer, side == "tail"), []).append(rank)
            if (side == "tail") == bool(draws.of_tail[row]):
                pair = own[[answer, int(draws.instead[row])]]
                truth += [1, 0]
                scores += pair.nan_to_num(nan=-1, posinf=9, neginf=-1).tolist()
    assert found.drawn is not None
    keys = zip(*(x.tolist() for x in (found.relation, found.anchor, found.truth, found.tail_asked)), strict=True)
    told: dict[tuple[int, ...], list[float]] = {}
    for key, rank in zip(keys, found.drawn.ranks.tolist(), strict=True):
        told.setdefault(key, []).append(rank)
    assert {key: sorted(found) for key, found in told.items()} == {key: sorted(found) for key, found in ranks.items()}
    metrics = found.metrics({"all": "kgc."})
    assert metrics["kgc.drawn.auc_pr"] == pytest.approx(average_precision_score(truth, scores))
    assert metrics["kgc.drawn.auc_roc"] == pytest.approx(roc_auc_score(truth, scores))
    assert metrics["kgc.drawn.queries"] == len(found.relation)


def test_a_constant_scorer_gets_exactly_chance(kg):
    found = evaluate_all(kg, kg.test, {"it": lambda _r, a, _s: torch.ones(len(a), E)}, ALL, negatives=9)["it"]
    assert found.drawn is not None
    assert found.drawn.metrics() == found.drawn.chance()
    assert found.drawn.metrics()["mrr"] == pytest.approx(1 / 5.5)
    assert found.drawn.metrics()["auc_pr"] == 0.5
    assert found.chance({"all": "kgc."})["kgc.drawn.mrr"] == pytest.approx(1 / 5.5)


def test_a_perfect_scorer_gets_all(kg):
    test = as_set(kg.test)

    def perfect(relation: int, anchors: torch.Tensor, side: str) -> torch.Tensor:
        def true(anchor: int, entity: int) -> bool:
            return ((anchor, relation, entity) if side == "tail" else (entity, relation, anchor)) in test

        return torch.tensor([[float(true(a, e)) for e in range(E)] for a in anchors.tolist()])

    # No answer of another test triple is drawn here, since all are facts.
    found = evaluate_all(kg, kg.test, {"it": perfect}, ALL, negatives=9, facts=torch.cat([kg.train, kg.test]))["it"]
    assert found.drawn is not None
    metrics = found.drawn.metrics()
    assert [metrics[name] for name in ("mrr", "auc_pr", "auc_roc")] == [1, 1, 1]


class Among:
    """A scorer that can score some entities alone."""

    asked = 0

    def __call__(self, relation: int, anchors: torch.Tensor, side: str) -> torch.Tensor:
        return odd_scores(relation, anchors, side)

    def among(self, relation: int, anchors: torch.Tensor, side: str, entities: torch.Tensor) -> torch.Tensor:
        self.asked += 1
        return odd_scores(relation, anchors, side)[:, entities]


def test_entities_that_are_no_candidates_are_drawn_and_scored_too(kg):
    ends = [{r: torch.unique(kg.test[kg.test[:, 1] == r][:, column]) for r in range(R)} for column in (2, 0)]
    rules = [CandidateRule("given", *ends)]
    few, scorers = Among(), {"some": Among(), "all": odd_scores}
    evaluate_all(kg, kg.test, {"some": few}, rules)
    assert few.asked > 0
    found = evaluate_all(kg, kg.test, scorers, rules, negatives=7)
    assert len(found["some"].drawn.ranks) == 2 * len(kg.test)
    assert torch.equal(found["some"].drawn.ranks, found["all"].drawn.ranks)
    assert torch.equal(found["some"].ranks["given"], found["all"].ranks["given"])


def test_nothing_is_drawn_unless_asked_for(kg):
    found = evaluate_all(kg, kg.test, {"it": odd_scores}, ALL)["it"]
    assert found.drawn is None
    assert not any("drawn" in name for name in found.metrics({"all": "kgc."}))


class ByRow:
    """A model that scores triples one by one, without saying so."""

    def __init__(self, model: Rmpi) -> None:
        self.model = model

    def score(self, graph: FactGraph, heads: torch.Tensor, relations: torch.Tensor, *, budget: int) -> torch.Tensor:
        return self.model.score(graph, heads, relations, budget=budget)


def test_a_model_by_triples_is_ranked_as_by_rows(kg):
    model = Rmpi(dim=4, epochs=1).fit(kg.train[:60], E, kg.relations)
    graph, told = FactGraph(kg.train[:60], E, R), []
    names = kg.entities, kg.relations
    alone = evaluate_drawn(
        model, graph, kg.test, count=5, seed=2, names=names, block=8, progress=lambda *done: told.append(done)
    )
    rows = evaluate_drawn(ByRow(model), graph, kg.test, count=5, seed=2, names=names)
    torch.testing.assert_close(alone.ranks, rows.ranks)
    assert alone.metrics() == pytest.approx(rows.metrics())
    assert told[0] == (8, 80)
    assert told[-1] == (80, 80)


def test_no_queries_are_refused(kg):
    graph = FactGraph(kg.train, E, R)
    with pytest.raises(InputError, match="no query triples"):
        evaluate_drawn(ByRow(Rmpi()), graph, kg.test[:0])
