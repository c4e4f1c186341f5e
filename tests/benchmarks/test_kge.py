"""The benchmark of triple embeddings: that it compares like with like, on a tiny graph."""

import json

import pytest
import torch

from kgzsl import InputError
from kgzsl.benchmarks import kge, kge_peer, kge_quality, kge_speed
from kgzsl.benchmarks.kge_boxes import PeerBoxEScorer
from kgzsl.datasets.kg_split import KGSplit
from kgzsl.priors.triples.losses import softmax_loss


def tiny():
    random = torch.Generator().manual_seed(0)
    triples = torch.unique(torch.randint(0, 4, (400, 3), generator=random) * torch.tensor([5, 1, 5]), dim=0)
    triples[:, [0, 2]] += torch.randint(0, 5, (len(triples), 2), generator=random)
    triples = torch.unique(triples, dim=0)[torch.randperm(len(torch.unique(triples, dim=0)), generator=random)]
    names = tuple(f"e{one}" for one in range(20)), tuple(f"r{one}" for one in range(4))
    none = torch.empty(0, dtype=torch.int64)
    return KGSplit(*names, triples[:40], triples[40:48], triples[48:60], torch.arange(4), none, none, name="tiny")


QUALITY = {"tiny": {"epochs": 2, "batch_size": 16, "tested": 10}}
SMALL = {"dim": 8, "batch_size": 16, "negatives": 4, "triples": 32, "ranked": 4, "laps": 1, "quality_dim": 8}


@pytest.fixture
def made_up(monkeypatch):
    """Work that measures nothing, so that PyKEEN need not be there; what was asked for is noted."""
    asked = []
    lap = {"ours_s": 0.5, "baseline_s": 4.0, "ratio": 8.0, "spread": 0.25}
    lap |= {"triples_per_s": 64.0, "baseline_triples_per_s": 8.0}
    arms = {"own loss": 0.125, "another": 0.25}
    answers = {
        "speed": {"training": lap, "ranking": {**lap, "ratio": 26.0}, "checked": "alike"},
        "ours": {"valid": 0.5, "mrr": 0.375, "seconds": 1.0, "setting": "one", "tried": {"one": 0.5}},
        "pykeen": {"valid": 0.25, "mrr": 0.3125, "seconds": 2.0, "setting": "another", "tried": arms},
    }

    def work(part):
        def measure(model, split, how, where):
            asked.append((part, model))
            return answers[part]

        return measure

    monkeypatch.setattr(kge, "_work", work)
    monkeypatch.setattr(kge_peer, "require", lambda: None)
    monkeypatch.setattr(kge_peer, "version", lambda: "1.0")
    return asked


def table(tmp_path, **options):
    given = {
        "out": str(tmp_path / "docs" / "kge.md"),
        "data": {"tiny": tiny()},
        "datasets": ["tiny"],
        "quality": QUALITY,
    }
    return kge.run("cpu", **{**given, "models": ["transe", "boxe"], **options})


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="choose among distmult"):
        kge.run(models=("distmul",))
    with pytest.raises(InputError, match="choose among speed, ours, pykeen"):
        kge.run(parts=("speeed",))
    with pytest.raises(InputError, match="choose among codex_s, wn18rr"):
        kge.run(datasets=("codex",))


def test_the_page_has_both_sides_and_is_resumed(made_up, tmp_path):
    report = table(tmp_path, parts=["speed", "ours"])
    assert report["ratio"] == pytest.approx(8)
    assert made_up == [(part, model) for part in ("speed", "ours") for model in ("transe", "boxe")]
    text = (tmp_path / "docs" / "kge.md").read_text()
    assert "| transe | 0.375 | – | 0.500 | – |" in text
    assert "| boxe | 64 | 8 | 8.0x | 64 | 8 | 26.0x | 25% |" in text
    made_up.clear()
    table(tmp_path)
    # Only what was missing.
    assert made_up == [("pykeen", "transe"), ("pykeen", "boxe")]
    text = (tmp_path / "docs" / "kge.md").read_text()
    assert "| transe | 0.375 | 0.312 | 0.500 | 0.250 |" in text
    assert "transe, PyKEEN: own loss: 0.125; another: 0.250" in text
    assert "dim 64, 2 epochs, batches of 16; 10 of 12 test triples" in text


def test_changed_settings_are_measured_again_and_so_are_changed_defaults(made_up, tmp_path, monkeypatch):
    table(tmp_path)
    made_up.clear()
    table(tmp_path, quality={"tiny": {**QUALITY["tiny"], "epochs": 3}})
    assert set(made_up) == {(part, model) for part in ("ours", "pykeen") for model in ("transe", "boxe")}
    assert "3 epochs" in (tmp_path / "docs" / "kge.md").read_text()
    made_up.clear()
    monkeypatch.setattr(kge_quality.TransE, "default_lr", 0.125)
    table(tmp_path)
    assert made_up == [("ours", "transe")]


def test_models_timed_with_other_settings_are_named(made_up, tmp_path):
    table(tmp_path, parts=["speed"])
    assert "100 test triples per lap, 2 laps.\n" in (tmp_path / "docs" / "kge.md").read_text()
    table(tmp_path, parts=["speed"], models=["boxe"], ranked=20)
    text = (tmp_path / "docs" / "kge.md").read_text()
    assert "100 test triples per lap, 2 laps (transe)." in text
    assert "20 test triples per lap, 2 laps (boxe)." in text


def test_a_spent_budget_begins_nothing_and_a_damaged_record_is_named(made_up, tmp_path):
    assert table(tmp_path, budget=-1.0)["left"] == 6
    assert not made_up
    kept = tmp_path / "docs" / "kge.jsonl"
    kept.write_text("what?\n" + json.dumps({"part": "speed"}) + "\n")
    with pytest.raises(InputError, match="no record of the table"):
        table(tmp_path)


def test_boxes_of_pykeen_are_centres_and_widths():
    """Base 0, shape (1, 4), whose geometric mean is 2, and size 0, which counts 1: sides of 1/2 and 2, then tanh."""
    base, shape, size = torch.zeros(1, 2), torch.tensor([[1.0, 4.0]]), torch.zeros(1, 1)
    centre, width = kge_peer.boxes([base, shape, size, base + 1, shape, size])[:2]
    torch.testing.assert_close(centre, base)
    torch.testing.assert_close(width, 2 * torch.tanh(torch.tensor([[0.25, 1.0]])))
    head = torch.tensor([[0.1, 0.0, 0.0, 0.0]])
    relation = torch.cat([centre, width, centre, width], dim=1)
    scorer = PeerBoxEScorer(4)
    # In the box: |tanh(0.1)| over width + 1; the other three numbers are in the middle.
    expected = -torch.tanh(torch.tensor(0.1)) / (2 * torch.tanh(torch.tensor(0.25)) + 1)
    torch.testing.assert_close(scorer.score(head, relation, 0 * head)[0], expected)
    torch.testing.assert_close(scorer.score_tails(head, relation, 0 * head)[0, 0], expected)
    torch.testing.assert_close(scorer.score_heads(relation, 0 * head, head)[0, 0], expected)


def test_ours_is_trained_with_its_defaults_and_learns():
    """The same triples are trained and asked for: what was learnt shows."""
    split = tiny()
    split = KGSplit(
        split.entities, split.relations, split.train, split.train[:8], split.train, *split_relations(), name="tiny"
    )
    given = {"dim": 8, "batch_size": 16, "judged": 8, "tested": 40, "device": torch.device("cpu"), "seed": 0}
    trained = kge_quality.our_quality("distmult", split, epochs=60, **given)
    fresh = kge_quality.our_quality("distmult", split, epochs=1, **given)
    assert trained["mrr"] > 2 * fresh["mrr"]
    assert "softmax loss" in trained["setting"]


def test_ours_are_judged_by_the_best_setting_on_validation_triples(monkeypatch):
    """A learning rate that moves nothing loses, wherever it stands."""
    monkeypatch.setitem(kge_quality.OURS, "distmult", ({"lr": 1e-9}, {}))
    split = tiny()
    split = KGSplit(
        split.entities, split.relations, split.train, split.train[:8], split.train, *split_relations(), name="tiny"
    )
    given = {"dim": 8, "epochs": 40, "batch_size": 16, "judged": 8, "tested": 40, "seed": 0}
    found = kge_quality.our_quality("distmult", split, device=torch.device("cpu"), **given)
    still, moved = found["tried"].values()
    assert found["valid"] == moved > still
    assert "(defaults)" in found["setting"]
    assert "(defaults)" not in next(iter(found["tried"]))


def split_relations():
    none = torch.empty(0, dtype=torch.int64)
    return torch.arange(4), none, none


@pytest.mark.slow
def test_with_the_same_vectors_pykeen_ranks_as_we_do_and_the_check_notices_another_score():
    pytest.importorskip("pykeen")
    for name in kge.MODELS:
        assert "rank alike" in kge_speed.same_ranks(name, tiny())
    with pytest.raises(AssertionError, match="the filtered MRR is"):
        kge_peer.check("complex", kge_speed.make_scorer("distmult", 8), tiny(), triples=12)


@pytest.mark.slow
def test_pykeen_is_judged_by_the_best_setting_on_validation_triples():
    pytest.importorskip("pykeen")
    given = {"dim": 8, "epochs": 2, "batch_size": 16, "judged": 8, "tested": 12, "device": torch.device("cpu")}
    for model, settings in (("boxe", 2), ("distmult", 3)):
        found = kge_quality.peer_quality(model, tiny(), seed=0, **given)
        assert list(found["tried"]) == [str(arm) for arm in kge_quality.arms(model)]
        assert len(found["tried"]) == settings
        assert found["valid"] == max(found["tried"].values()) == found["tried"][found["setting"]]
        assert 0 < found["mrr"] <= 1


@pytest.mark.slow
def test_the_softmax_loss_of_pykeen_is_ours():
    pytest.importorskip("pykeen")
    peer = kge_peer.Peer("distmult", tiny(), 8, 16, 4, 0.0, 0.01, torch.device("cpu"), loss="softmax")
    positive, negative = torch.tensor([[1.0], [-0.5]]), torch.tensor([[0.5, 2.0], [0.0, -1.0]])
    theirs = peer.model.loss.process_slcwa_scores(positive, negative)
    torch.testing.assert_close(theirs, softmax_loss(positive[:, 0], negative))


@pytest.mark.slow
def test_the_benchmark_runs_small(tmp_path):
    pytest.importorskip("pykeen")
    report = table(tmp_path, **SMALL)
    assert [row["model"] for row in report["rows"]] == ["transe", "boxe"]
    for row in report["rows"]:
        for what in ("training", "ranking"):
            one = row["speed"][what]
            assert one["ratio"] == pytest.approx(one["baseline_s"] / one["ours_s"])
        assert 0 < row["ours"]["mrr"] <= 1
        assert 0 < row["pykeen"]["mrr"] <= 1
