"""The evaluator beside plain ranking of every query by itself; what is shared among queries is shared."""

from __future__ import annotations

import pytest
import torch

from kgzsl.datasets import FilterIndex, KGSplit
from kgzsl.tasks.kg_completion import evaluation
from kgzsl.tasks.kg_completion.candidate_rules import CandidateRule
from kgzsl.tasks.kg_completion.evaluation import evaluate, evaluate_all
from kgzsl.tasks.kg_completion.queries import Queries
from kgzsl.tasks.ranking import ranks_by_rule

E, R = 30, 4
NAN, INF = float("nan"), float("inf")


def triples(count: int, seed: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return (torch.rand(count, 3, generator=random).pow(1.5) * torch.tensor([E, R, E])).long()


@pytest.fixture
def hubs() -> KGSplit:
    """A graph with hubs: many queries have the same anchor."""
    names = tuple(f"e{i}" for i in range(E)), tuple(f"r{i}" for i in range(R))
    return KGSplit(*names, train=triples(200, 0), valid=triples(9, 1), test=triples(70, 2), name="hubs")


def odd_scores(relation: int, anchors: torch.Tensor, side: str) -> torch.Tensor:
    """Many ties, and scores that are none, or infinite."""
    table = ((anchors[:, None] * 7 + torch.arange(E) * 5 + 3 * relation + (side == "head")) % 6).float()
    return table.masked_fill(table == 1, NAN).masked_fill(table == 2, -INF).masked_fill(table == 3, INF)


def some(seed: int, relations: range = range(R)) -> dict[int, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return {relation: torch.randperm(E, generator=random)[:12].sort().values for relation in relations}


RULES = [CandidateRule("all", {}, {}), CandidateRule("some", some(3), some(4, range(2)))]


@pytest.mark.parametrize("budget", [1, 20_000, 256 * 2**20])
@pytest.mark.parametrize("filtered", [True, False])
@pytest.mark.parametrize("rules", [RULES, RULES[1:], RULES[:1]])
def test_every_query_has_the_rank_that_it_has_by_itself(hubs, budget, filtered, rules):
    # Some are no fact of the graph: their answers are not among the known ones.
    asked = torch.cat([hubs.test, triples(20, 5)])
    given = {"sides": "both", "filtered": filtered, "budget": budget, "worst": True}
    found = evaluate_all(hubs, asked, {"it": odd_scores}, rules, **given)["it"]
    index = FilterIndex(torch.cat([hubs.train, hubs.valid, hubs.test]), E, R)
    assert len(found.relation) == 2 * len(asked)
    for number, (relation, anchor, truth, is_tail) in enumerate(
        zip(*(part.tolist() for part in (found.relation, found.anchor, found.truth, found.tail_asked)), strict=True)
    ):
        side, one, kind = ("tail" if is_tail else "head"), torch.tensor([anchor]), torch.tensor([relation])
        known = (index.tails(one, kind) if is_tail else index.heads(kind, one)) if filtered else None
        masks = [rule.mask(relation, side, E) for rule in rules]
        scores, true = odd_scores(relation, one, side), torch.tensor([truth])
        for rule, (rank, count, scorable) in zip(rules, ranks_by_rule(scores, true, masks, known=known), strict=True):
            assert found.ranks[rule.name][number] == rank
            assert found.counts[rule.name][number] == count
            assert found.scorable[number] == scorable
        assert found.worst[number] == ranks_by_rule(scores, true, masks[:1], known=known, worst=True)[0][0]
    outside = sum(
        int(answer not in (rules[-1].tails if tail else rules[-1].heads).get(kind, torch.arange(E)))
        for kind, answer, tail in zip(
            found.relation.tolist(), found.truth.tolist(), found.tail_asked.tolist(), strict=True
        )
    )
    assert found.outside[rules[-1].name] == outside


def test_scores_of_the_scorer_stay_as_they_are(hubs):
    table = torch.rand(E, E)

    def remembers(relation: int, anchors: torch.Tensor, side: str) -> torch.Tensor:
        return table[:1].expand(len(anchors), -1)

    before = table.clone()
    evaluate(hubs, hubs.test, remembers, RULES, top=3)
    assert torch.equal(table, before)


def test_the_best_leave_out_what_is_known_and_what_no_rule_allows(hubs):
    def by_number(relation: int, anchors: torch.Tensor, side: str) -> torch.Tensor:
        return torch.arange(E).float().expand(len(anchors), -1)

    found = evaluate(hubs, hubs.test, by_number, RULES[1:], sides="tail", top=4)
    index = hubs.filter
    for relation, anchor, truth, best in zip(
        *(part.tolist() for part in (found.relation, found.anchor, found.truth, found.best)), strict=True
    ):
        known = set(index.tails(torch.tensor([anchor]), torch.tensor([relation]))[1].tolist())
        allowed = (set(RULES[1].tails[relation].tolist()) - known) | {truth}
        assert best == (sorted(allowed, reverse=True) + [-1] * 4)[:4]


def test_known_answers_of_small_pieces_are_looked_up_at_once(hubs, monkeypatch):
    asked = []
    tails = FilterIndex.tails
    monkeypatch.setattr(FilterIndex, "tails", lambda *given: asked.append(len(given[1])) or tails(*given))
    evaluate(hubs, hubs.test, odd_scores, RULES, sides="both")
    assert len(asked) == 1  # for four relations
    queries = Queries(hubs.test, "both", E, 10**6)
    anchors = {(relation, anchor) for relation, anchor in zip(
        queries.relation[queries.tail_asked].tolist(), queries.anchor[queries.tail_asked].tolist(), strict=True
    )}  # fmt: skip
    assert asked == [len(anchors)]
    assert len(anchors) < len(hubs.test)


def test_pieces_hold_what_a_budget_allows(hubs):
    queries = Queries(hubs.test, "both", E, 7)
    pieces = list(queries.pieces(hubs.filter))
    assert max(len(piece.truth) for piece in pieces) == 7
    assert torch.equal(torch.cat([piece.truth for piece in pieces]), queries.truth)
    assert torch.equal(torch.cat([piece.anchors[piece.rows] for piece in pieces]), queries.anchor)
    for piece in pieces:
        row, entity = piece.known
        for place, truth in zip(piece.rows.tolist(), piece.truth.tolist(), strict=True):
            assert truth in entity[row == place].tolist()  # test triples are known
        assert piece.settled.all()
        assert torch.equal(piece.others, torch.bincount(row, minlength=len(piece.anchors))[piece.rows] - 1)


def test_nothing_asked_is_nothing_found(hubs):
    found = evaluate(hubs, hubs.test[:0], odd_scores, RULES, top=3)
    assert all(len(part) == 0 for part in (found.relation, found.linked, found.scorable, found.worst, found.best))
    assert found.ranks["all"].dtype == torch.float64
    assert evaluation.Evaluation.chance(found, {"all": ""})["queries"] == 0
