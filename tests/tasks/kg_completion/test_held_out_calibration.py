"""Probabilities from relations that a scorer was trained without: right where they can be known, none where not."""

from __future__ import annotations

from zlib import crc32

import pytest
import torch

from kgzsl.datasets import KGSplit
from kgzsl.errors import InputError
from kgzsl.recipe import Recipe
from kgzsl.tasks.kg_completion import held_out_calibration as module
from kgzsl.tasks.kg_completion import run
from kgzsl.tasks.kg_completion.candidate_rules import make_rule
from kgzsl.tasks.kg_completion.held_out_calibration import held_out_calibration
from kgzsl.tasks.kg_completion.protocol import CompletionProtocol
from tests.tasks.kg_completion.renumbering import renumbered


def world(relations: int = 12, entities: int = 60, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores [R, E, E], and triples that are drawn with the probabilities that the scores are the logits of."""
    random = torch.Generator().manual_seed(seed)
    logits = 2.0 * torch.randn(relations, entities, entities, generator=random) - 4.0
    true = torch.rand(logits.shape, generator=random) < torch.sigmoid(logits)
    facts = torch.nonzero(true)[:, [0, 1, 2]]
    return logits, torch.stack([facts[:, 1], facts[:, 0], facts[:, 2]], dim=1)


def named(entities: int) -> tuple[list[str], list[str]]:
    return [f"e{i:02d}" for i in range(entities)], [f"r{i:02d}" for i in range(12)]


def scorer_of(logits):
    return lambda relation, anchors, side: (logits[relation] if side == "tail" else logits[relation].T)[anchors]


@pytest.fixture
def content(priors, tmp_path) -> dict:
    """A recipe of the closed form, short."""
    priors.save(tmp_path / "priors.safetensors")
    return {
        "task": "kg_completion",
        "dataset": "world",
        "generator": None,
        "pairs": {"dim": 8, "link_dim": 8, "steps": 20, "batch_size": 16, "queries": 12, "corrupted": 16, "support": 4},
        "priors": [{"name": "file", "path": str(tmp_path / "priors.safetensors")}],
        "controls": ["chance"],
        "train": {"device": "cpu"},
    }


def test_what_is_told_is_what_is_true(monkeypatch) -> None:
    logits, facts = world()
    asked = facts[torch.randperm(len(facts), generator=torch.Generator().manual_seed(1))[:800]]
    found = held_out_calibration([(scorer_of(3 * logits + 5), asked)], facts, *named(60))
    assert found is not None
    assert found.held_out == "relations"
    assert found.groups == 12
    assert found.error is not None
    assert found.error < 0.1
    other, others = world(seed=7)
    truth = torch.zeros(12, 60, 60, dtype=torch.bool)
    truth[others[:, 1], others[:, 0], others[:, 2]] = True
    told = torch.stack([found(3 * table + 5) for table in other])
    for low in (0.1, 0.3):
        some = (told > low) & (told < low + 0.2)
        assert float(told[some].mean()) == pytest.approx(float(truth[some].float().mean()), abs=0.1)
    # Few of the answers stand for all of them.
    for name, size in (("_TRUE", 3), ("_SUREST", 8), ("_DRAWN", 20)):
        monkeypatch.setattr(module, name, size)
    drawn = held_out_calibration([(scorer_of(3 * logits + 5), asked)], facts, *named(60))
    assert drawn is not None
    assert (drawn(3 * other[0] + 5) - told[0]).abs().mean() < 0.05


def test_answers_stand_for_all_of_their_kind() -> None:
    random = torch.Generator().manual_seed(0)
    for entities in (5, 100, 700):
        scores = torch.randn(4, entities, generator=random)
        truth = torch.rand(scores.shape, generator=random) < 0.2
        truth[:, 0] = True
        judged = module._judged(scores, truth, 3, (random, random))
        assert judged.scores.shape == (4, 8 + 64 + 192)
        assert judged.stands.sum(dim=1).tolist() == pytest.approx([entities] * 4)
        assert (judged.stands * judged.truth).sum(dim=1).tolist() == pytest.approx(truth.sum(dim=1).tolist())
        best = scores.masked_fill(truth, float("-inf")).amax(dim=1)
        wrong = (judged.stands > 0) & ~judged.truth
        assert torch.equal(judged.scores.masked_fill(~wrong, float("-inf")).amax(dim=1), best)
        assert judged.group.tolist() == [3] * 4


def test_it_hangs_on_the_seed_alone_and_one_side_may_be_asked() -> None:
    logits, facts = world(entities=30)
    first, again = (held_out_calibration([(scorer_of(logits), facts)], facts, *named(30)) for _ in range(2))
    assert first == again
    assert held_out_calibration([(scorer_of(logits), facts)], facts, *named(30), budget=1) == first
    assert held_out_calibration([(scorer_of(logits), facts)], facts, *named(30), seed=1) != first
    tails = held_out_calibration([(scorer_of(logits), facts)], facts, *named(30), sides="tail")
    assert tails is not None
    assert tails.queries == len(torch.unique(facts[:, 0] * 100 + facts[:, 1]))
    assert tails.queries < first.queries


def test_of_few_relations_nothing_is_said() -> None:
    logits, facts = world(entities=30)
    assert held_out_calibration([(scorer_of(logits), facts[facts[:, 1] < 4])], facts, *named(30)) is None
    assert held_out_calibration([(scorer_of(logits), facts[:0])], facts, *named(30)) is None
    assert held_out_calibration([], facts, *named(30)) is None


def test_several_judges_are_asked_about_what_each_did_not_see() -> None:
    logits, facts = world(entities=30)
    first, second = facts[facts[:, 1] < 6], facts[facts[:, 1] >= 6]
    graded = []

    def judges():
        for queries in (first, second):
            graded.append(torch.is_grad_enabled())  # here, models are trained
            yield scorer_of(logits), queries

    together = held_out_calibration(judges(), facts, *named(30))
    assert together == held_out_calibration([(scorer_of(logits), facts)], facts, *named(30))
    assert graded == [True, True]


def test_the_protocol_asks_about_what_it_held_out_and_nothing_else(kg) -> None:
    asked = set()

    def scorer(relation, anchors, side):
        asked.add(relation)
        return torch.zeros(len(anchors), kg.num_entities)

    def protocol(**options):
        return CompletionProtocol(kg, [make_rule("all", kg)], **options)

    def calibrated(made):
        return made.calibrated((scorer, queries) for _, queries in made.parts)

    held = protocol(fraction=0.75)
    assert calibrated(held) is not None
    assert asked == set(held.selection_kg.valid_relations.tolist()) | set(held._held_out.tolist())
    assert not asked & set(kg.unseen_relations.tolist())
    asked.clear()
    assert calibrated(protocol(validation="none")) is None
    assert calibrated(protocol(validation="oracle")) is None
    assert calibrated(protocol(fraction=0.2)) is None
    assert not asked & set(kg.unseen_relations.tolist())


def test_all_that_is_true_of_held_out_relations_counts_as_true(kg, monkeypatch) -> None:
    taken = []
    work = module.answers_in

    def looked_up(facts, relation, *rest):
        taken.append((facts, relation))
        return work(facts, relation, *rest)

    monkeypatch.setattr(module, "answers_in", looked_up)
    protocol = CompletionProtocol(kg, [make_rule("all", kg)], fraction=0.75, queries=2)
    ((_, queries),) = protocol.parts
    protocol.calibrated([(lambda _, anchors, side: torch.zeros(len(anchors), kg.num_entities), queries)])
    held = protocol.selection_kg.valid_relations
    assert {relation for _, relation in taken} == set(held.tolist())
    for facts, _ in taken:
        assert torch.equal(facts, kg.train[torch.isin(kg.train[:, 1], held)])


def test_a_run_fits_probabilities_by_the_model_of_its_choices(kg, content) -> None:
    content["protocol"] = {"seeds": 1, "fraction": 0.75}
    result = run(Recipe.build(content), data=kg, progress=False)
    assert result.model.calibration_.groups == 5
    assert "kgc.confidence.answers" in result.metrics
    content["protocol"] = {"seeds": 1, "fraction": 0.2}
    bare = run(Recipe.build(content), data=kg, progress=False)
    assert bare.model.calibration_ is None
    assert not [name for name in bare.metrics if "confidence" in name]


def test_seen_relations_are_dealt_into_parts_that_none_of_their_models_sees(kg) -> None:
    protocol = CompletionProtocol(kg, [make_rule("all", kg)], fraction=0.3)
    chosen_on = set(protocol.selection_kg.valid_relations.tolist())
    parts = []
    for fold, queries in protocol.folds(3):
        part = set(fold.valid_relations.tolist())
        assert set(queries[:, 1].tolist()) == part
        assert not part & set(fold.train[:, 1].tolist())
        assert part | set(fold.train[:, 1].tolist()) == set(kg.seen_relations.tolist())
        assert not len(fold.test)
        parts.append(part)
    assert set.union(*parts) == set(kg.seen_relations.tolist()) - chosen_on
    assert sum(map(len, parts)) == len(set.union(*parts))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    # They hang on names, not on numbers.
    order = torch.arange(kg.num_relations).flip(0)
    turned = KGSplit(
        kg.entities,
        tuple(kg.relations[i] for i in order.tolist()),
        train=torch.stack([kg.train[:, 0], order[kg.train[:, 1]], kg.train[:, 2]], dim=1),
        valid=kg.valid,
        test=torch.stack([kg.test[:, 0], order[kg.test[:, 1]], kg.test[:, 2]], dim=1),
    )

    def names(split):
        made = CompletionProtocol(split, [make_rule("all", split)], validation="none")
        return [sorted(split.names_of(fold.valid_relations)) for fold, _ in made.folds(3)]

    assert names(turned) == names(kg)
    assert protocol.folds(0) == []
    assert CompletionProtocol(kg, [make_rule("all", kg)], validation="oracle").folds(3) == []
    # Of more parts than relations each has one; of one part nothing would be left to train on.
    alone = CompletionProtocol(kg, [make_rule("all", kg)], validation="none")
    assert len(alone.folds(99)) == len(kg.seen_relations)
    assert alone.folds(1) == []


def test_what_is_drawn_hangs_on_names_and_not_on_numbers(kg, monkeypatch) -> None:
    for name, size in (("_TRUE", 1), ("_SUREST", 1), ("_DRAWN", 2)):  # so few that it matters which
        monkeypatch.setattr(module, name, size)

    def parts(split: KGSplit) -> tuple:
        def scorer(relation, anchors, side):
            ends = [split.entities[anchor] for anchor in anchors.tolist()]
            rows = [[crc32(f"{relation} {end} {one}".encode()) % 997 for one in split.entities] for end in ends]
            return torch.tensor(rows).float() / 100

        def by_name(relation, anchors, side):
            return scorer(split.relations[relation], anchors, side)

        made = CompletionProtocol(split, [make_rule("all", split)], validation="none", queries=3)
        folds = [
            [(split.entities[h], split.relations[r], split.entities[t]) for h, r, t in queries.tolist()]
            for _, queries in made.folds(3)
        ]
        return folds, made.calibrated((by_name, queries) for _, queries in made.folds(3))

    first = parts(kg)
    assert first[1] is not None
    assert parts(renumbered(kg, 3)) == first


def test_a_run_fits_probabilities_on_the_parts_as_well(kg, content) -> None:
    content["protocol"] = {"seeds": 1, "fraction": 0.2, "calibration_folds": 2}
    told: list[str] = []
    result = run(Recipe.build(content), data=kg, progress=False, log=told.append)
    assert result.model.calibration_.groups == len(kg.seen_relations)
    assert sum("without part" in line for line in told) == 2
    assert {row["stage"] for row in result.history} >= {"calibration1.pairs", "calibration2.pairs"}
    steps = [
        max(row["step"] for row in result.history if row["stage"] == f"calibration{part}.pairs") for part in (1, 2)
    ]
    assert steps == [result.model.chosen_["steps"]] * 2
    # Nothing else is another for it.
    content["protocol"] = {"seeds": 1, "fraction": 0.2}
    bare = run(Recipe.build(content), data=kg, progress=False)
    alike = [name for name in bare.metrics if name.startswith("kgc.") and "confidence" not in name]
    assert {name: result.metrics[name] for name in alike} == {name: bare.metrics[name] for name in alike}


def test_rankers_take_no_parts(kg, content) -> None:
    content |= {"ranker": "link_overlap", "protocol": {"calibration_folds": 2}}
    result = run(Recipe.build(content), data=kg, progress=False)
    assert any("counts for nothing here: link_overlap has folds of its own" in line for line in result.warnings)
    content |= {"ranker": "embedding", "priors": []}
    with pytest.raises(InputError, match="ranker embedding is calibrated in its own way"):
        Recipe.build(content)
