"""The benchmark of triple embeddings: that it compares like with like, on a tiny graph."""

import pytest
import torch

from kgzsl import InputError
from kgzsl.benchmarks import kge, kge_peer
from kgzsl.datasets.kg_split import KGSplit


def tiny():
    random = torch.Generator().manual_seed(0)
    triples = torch.unique(torch.randint(0, 4, (400, 3), generator=random) * torch.tensor([5, 1, 5]), dim=0)
    triples[:, [0, 2]] += torch.randint(0, 5, (len(triples), 2), generator=random)
    triples = torch.unique(triples, dim=0)[torch.randperm(len(torch.unique(triples, dim=0)), generator=random)]
    names = tuple(f"e{one}" for one in range(20)), tuple(f"r{one}" for one in range(4))
    none = torch.empty(0, dtype=torch.int64)
    return KGSplit(*names, triples[:40], triples[40:48], triples[48:60], torch.arange(4), none, none, name="tiny")


def test_unknown_models_are_refused():
    with pytest.raises(InputError, match="choose among distmult"):
        kge.run(models=("distmul",))


@pytest.mark.slow
def test_with_the_same_vectors_pykeen_ranks_as_we_do_and_the_check_notices_another_score():
    pytest.importorskip("pykeen")
    for name in ("distmult", "complex", "rotate", "transe"):
        assert "rank alike" in kge_peer.check(name, kge.make_scorer(name, 8), tiny(), triples=12)
    with pytest.raises(AssertionError, match="the filtered MRR is"):
        kge_peer.check("complex", kge.make_scorer("distmult", 8), tiny(), triples=12)


@pytest.mark.slow
def test_the_benchmark_runs_small():
    pytest.importorskip("pykeen")
    sizes = {"dim": 8, "batch_size": 16, "negatives": 4, "triples": 32, "ranked": 4, "laps": 1, "epochs": 1}
    report = kge.run("cpu", data=tiny(), models=("transe", "boxe"), **sizes)
    assert [row["model"] for row in report["rows"]] == ["transe", "boxe"]
    for row in report["rows"]:
        for what in ("training", "ranking"):
            assert row[what]["ratio"] == pytest.approx(row[what]["baseline_s"] / row[what]["ours_s"])
        assert 0 < row["quality"]["mrr"] <= 1
