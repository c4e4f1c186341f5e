"""Probabilities from facts that a scorer was trained without, though it knows others of their relations."""

from __future__ import annotations

import pytest
import torch

from kgzsl.tasks.kg_completion import held_out_calibration as module
from kgzsl.tasks.kg_completion._answers import answers_in
from kgzsl.tasks.kg_completion.evidence.calibration import fit_calibration
from kgzsl.tasks.kg_completion.held_out_calibration import calibration_of_facts
from tests.tasks.kg_completion.test_held_out_calibration import scorer_of, world

ENTITIES, RELATIONS = 60, 12
NAMES = tuple(f"e{number:02}" for number in range(ENTITIES)), tuple(f"r{number:02}" for number in range(RELATIONS))


@pytest.fixture
def parts() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Scores [R, E, E]; two halves of the facts that were drawn by them, known ones and held-out ones."""
    return _parts(0)


def _parts(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    logits, facts = world(RELATIONS, ENTITIES, seed)
    order = torch.randperm(len(facts), generator=torch.Generator().manual_seed(1))
    return logits, facts[order[: len(facts) // 2]], facts[order[len(facts) // 2 :]]


def judged_by(monkeypatch, *given, **options):
    taken = []
    monkeypatch.setattr(module, "fit_calibration", lambda judged, **_: taken.append(judged))
    calibration_of_facts(*given, **options)
    return taken[0]


def test_what_is_told_is_what_is_true_beside_known_facts(parts) -> None:
    logits, known, held_out = parts
    found = calibration_of_facts(scorer_of(3 * logits + 5), held_out, known, *NAMES)
    assert found is not None
    assert found.held_out == "facts"
    assert 500 < found.groups <= 1000
    assert found.queries == 2 * found.groups
    assert found.error < 0.05
    logits, known, held_out = _parts(7)
    told, true = [], []
    for relation in range(RELATIONS):
        for side, column in (("tail", 0), ("head", 2)):
            anchors = torch.unique(held_out[held_out[:, 1] == relation][:, column])
            out, truth = (answers_in(some, relation, anchors, side, ENTITIES) for some in (known, held_out))
            chance = found(scorer_of(3 * logits + 5)(relation, anchors, side), None, out)
            told.append(chance[~out])
            true.append(truth[~out])
    chance, truth = torch.cat(told), torch.cat(true).float()
    for low in (0.1, 0.3, 0.5):
        some = (chance > low) & (chance < low + 0.2)
        assert float(chance[some].mean()) == pytest.approx(float(truth[some].mean()), abs=0.08)


def test_known_facts_are_left_out_whatever_their_scores(parts) -> None:
    logits, known, held_out = parts
    loud = logits.clone()
    loud[known[:, 1], known[:, 0], known[:, 2]] += 100
    found, other = (calibration_of_facts(scorer_of(one), held_out, known, *NAMES) for one in (logits, loud))
    assert found == other
    # Nor are they asked for where they are among the others.
    again = calibration_of_facts(scorer_of(logits), torch.cat([held_out, known]), known, *NAMES)
    assert again == found


def test_an_end_with_several_held_out_answers_counts_once_and_all_are_true(parts, monkeypatch) -> None:
    logits, known, held_out = parts
    few, relation = held_out[held_out[:, 1] == 3], 3
    judged = judged_by(monkeypatch, scorer_of(logits), few, known, *NAMES)
    assert len(judged.scores) == 2 * len(few)
    assert torch.bincount(judged.group).tolist() == [2] * len(few)
    stand = [int(count) for count in (judged.stands * judged.truth).sum(dim=1).round()]
    for side, column, start in (("tail", 0, 0), ("head", 2, len(few))):
        often = torch.bincount(few[:, column], minlength=ENTITIES)
        rows = slice(start, start + len(few))
        assert sorted(stand[rows]) == sorted(often[few[:, column]].tolist()), side
        assert float(judged.weight[rows].sum()) == pytest.approx(int((often > 0).sum()))
    assert max(stand) > 1
    left = ENTITIES - torch.stack(
        [answers_in(known, relation, few[:, c], s, ENTITIES).sum(1) for s, c in (("tail", 0), ("head", 2))]
    )
    assert sorted(judged.stands.sum(dim=1).round().int().tolist()) == sorted(left.flatten().tolist())


def test_questions_weigh_alike_however_often_an_end_is_asked_for(parts, monkeypatch) -> None:
    logits, known, held_out = parts
    found = calibration_of_facts(scorer_of(logits), held_out, known, *NAMES)
    judged = judged_by(monkeypatch, scorer_of(logits), held_out, known, *NAMES)
    assert found == fit_calibration(judged, held_out="facts", alike=False)
    assert found != fit_calibration(judged, held_out="facts")


def test_surer_scores_of_a_question_are_never_less_likely(parts) -> None:
    logits, known, held_out = parts
    found = calibration_of_facts(scorer_of(logits), held_out, known, *NAMES)
    for side in ("tail", "head"):
        anchors = torch.arange(20)
        scores = scorer_of(logits)(2, anchors, side)
        chance = found(scores, None, answers_in(known, 2, anchors, side, ENTITIES))
        out = answers_in(known, 2, anchors, side, ENTITIES)
        for row in range(20):
            order = scores[row][~out[row]].argsort()
            assert float(chance[row][~out[row]][order].diff().min()) >= -1e-6


def test_it_hangs_on_names_and_seed_and_on_nothing_else(parts) -> None:
    logits, known, held_out = parts
    random = torch.Generator().manual_seed(3)
    place, kind = (torch.randperm(size, generator=random) for size in (ENTITIES, RELATIONS))
    names = [[""] * ENTITIES, [""] * RELATIONS]
    for new, old, moved in zip(names, NAMES, (place, kind), strict=True):
        for number, to in enumerate(moved.tolist()):
            new[to] = old[number]

    def renumbered(facts):
        moved = torch.stack([place[facts[:, 0]], kind[facts[:, 1]], place[facts[:, 2]]], dim=1)
        return moved[torch.randperm(len(moved), generator=random)]

    other = torch.empty_like(logits)
    other[kind[:, None, None], place[None, :, None], place[None, None, :]] = logits
    first = calibration_of_facts(scorer_of(logits), held_out, known, *NAMES)
    second = calibration_of_facts(scorer_of(other), renumbered(held_out), renumbered(known), *names)
    assert second == first
    # Nor does it matter how many are scored at a time.
    assert calibration_of_facts(scorer_of(logits), held_out, known, *NAMES, budget=1) == first
    assert calibration_of_facts(scorer_of(logits), held_out, known, *NAMES, seed=1) != first
    tails = calibration_of_facts(scorer_of(logits), held_out, known, *NAMES, sides="tail")
    assert tails.queries == tails.groups == first.groups


def test_where_too_little_is_held_out_nothing_is_said(parts) -> None:
    logits, known, held_out = parts

    def found(held_out, known=known, scores=logits, **options):
        return calibration_of_facts(scorer_of(scores), held_out, known, *NAMES, **options)

    assert found(held_out[:0]) is None
    assert found(held_out[:5]) is None
    assert found(held_out[:6]) is not None
    assert found(held_out[:6], sides="tail") is None
    assert found(known) is None
    # A scorer that knows no fact of a relation knows nothing of it.
    some = held_out[held_out[:, 1] == 4]
    assert found(some) is not None
    assert found(some, known[known[:, 1] != 4]) is None
    assert found(held_out, scores=torch.full_like(logits, float("nan"))) is None
