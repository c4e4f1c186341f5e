import pytest
import torch

from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.priors.triples import DistMultScorer, RankingResult, TransEScorer, TripleModel, rank_triples
from kgzsl.priors.triples.ranking import _ranks
from kgzsl.priors.triples.transe import distances

NODES, RELATIONS = 12, 3


def random_triples(count, seed=0):
    random = torch.Generator().manual_seed(seed)
    columns = [torch.randint(high, (count,), generator=random) for high in (NODES, RELATIONS, NODES)]
    return torch.unique(torch.stack(columns, dim=1), dim=0)


def oracle(model, triples, known):
    """Realistic filtered ranks, one candidate at a time, from single float64 scores."""
    truth = {tuple(row) for row in known.tolist()}
    heads, tails = [], []
    for head, relation, tail in triples.tolist():
        for side, ranks in ((0, heads), (2, tails)):
            own, better, level = None, 0, 0
            scores = {}
            for node in range(NODES):
                triple = [head, relation, tail]
                triple[side] = node
                if node == (head, relation, tail)[side] or tuple(triple) not in truth:
                    scores[node] = model.score(*(torch.tensor([part]) for part in triple)).item()
            own = scores.pop((head, relation, tail)[side])
            better = sum(score > own for score in scores.values())
            level = sum(score == own for score in scores.values())
            ranks.append(1 + better + level / 2)
    return heads, tails


@pytest.mark.parametrize("scorer", [DistMultScorer(5), TransEScorer(5, 1)], ids=["distmult", "transe"])
@pytest.mark.parametrize("budget", [1, 2**20], ids=["one row at a time", "all at once"])
def test_filtered_ranks_are_those_of_a_brute_force_count(scorer, budget):
    model = TripleModel(scorer, NODES, RELATIONS, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    with torch.no_grad():
        model.nodes.copy_((model.nodes * 4).round() / 4)  # a coarse grid, so that ties happen
        model.relations.copy_((model.relations * 4).round() / 4)
    known = random_triples(60)
    test = known[::4]
    found = rank_triples(model, test, FilterIndex(known, NODES, RELATIONS), budget_bytes=budget)
    heads, tails = oracle(model, test, known)
    assert found.heads.tolist() == heads
    assert found.tails.tolist() == tails
    assert any(rank % 1 for rank in heads + tails), "no tie was met"


def test_a_constant_scorer_scores_chance():
    model = TripleModel(DistMultScorer(4), NODES, RELATIONS)
    torch.nn.init.zeros_(model.nodes)
    # Ties with the 11 others: rank 1 + 11 / 2.
    assert set(rank_triples(model, random_triples(20)).ranks.tolist()) == {6.5}


def test_filtering_only_ever_improves_a_rank():
    model = TripleModel(DistMultScorer(4), NODES, RELATIONS, generator=torch.Generator().manual_seed(0))
    known = random_triples(80)
    raw, filtered = rank_triples(model, known), rank_triples(model, known, FilterIndex(known, NODES, RELATIONS))
    assert (filtered.ranks <= raw.ranks).all()
    assert (filtered.ranks < raw.ranks).any()


def test_figures_of_ranks():
    result = RankingResult(torch.tensor([1.0, 2.0]), torch.tensor([4.0, 20.0]))
    assert result.metrics() == pytest.approx(
        {"mrr": (1 + 0.5 + 0.25 + 0.05) / 4, "hits@1": 0.25, "hits@3": 0.5, "hits@10": 0.75, "queries": 4}
    )


def test_scores_that_are_no_numbers_stand_last_and_nothing_to_rank_is_no_error():
    model = TripleModel(DistMultScorer(4), NODES, RELATIONS)
    torch.nn.init.constant_(model.nodes, float("nan"))
    assert set(rank_triples(model, random_triples(5)).ranks.tolist()) == {float(NODES)}
    assert rank_triples(model, torch.zeros(0, 3, dtype=torch.int64)).mrr == 0.0


def test_counts_in_blocks_of_rows_are_those_of_the_whole_matrix():
    # So wide that a block holds few rows, and with ties.
    scores = torch.randint(0, 50, (7, 90_000), generator=torch.Generator().manual_seed(0)).float()
    target = torch.arange(7) * 1000
    own = scores.gather(1, target[:, None])
    better, level = (scores > own).sum(dim=1), (scores == own).sum(dim=1)
    assert torch.equal(_ranks(scores, target, None), 1 + better.double() + (level.double() - 1) / 2)


@pytest.mark.parametrize("count", [511, 512, 5000])
def test_absolute_distances_in_blocks_are_those_of_pairs(count):
    random = torch.Generator().manual_seed(0)
    queries = torch.randn(3, 130, generator=random, dtype=torch.float64)
    candidates = torch.randn(count, 130, generator=random, dtype=torch.float64)
    wanted = (queries[:, None] - candidates).abs().sum(dim=2)
    torch.testing.assert_close(distances(queries, candidates, 1), wanted, rtol=1e-12, atol=0)
    queries.requires_grad_()
    distances(queries, candidates, 1).sum().backward()
    torch.testing.assert_close(queries.grad, (queries.detach()[:, None] - candidates).sign().sum(dim=1))
