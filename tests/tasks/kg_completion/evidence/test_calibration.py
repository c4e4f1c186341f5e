"""Probabilities: right where they can be, small where little was seen, and judged on relations left out."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from kgzsl.tasks.kg_completion._model_folder import write_model
from kgzsl.tasks.kg_completion.evidence.calibration import (
    Calibration,
    _drawn,
    _Rows,
    calibration_errors,
    fit_calibration,
)
from kgzsl.tasks.kg_completion.evidence.judged import Judged

PLAIN = tuple(torch.linspace(0, 1, 21).tolist())


def drawn(scores: torch.Tensor, group: torch.Tensor, candidates: int | None = None) -> Judged:
    """The first answer of each query is true; the others stand for so many candidates."""
    count = scores.shape[1] - 1 if candidates is None else candidates
    wrong = torch.zeros(scores.shape, dtype=torch.bool)
    return Judged.of_drawn(scores, wrong, torch.ones(len(scores)), torch.full((len(scores),), count), group)


def sure(right: torch.Tensor, queries: int = 6) -> Judged:
    """Of each relation so many queries with one answer far above eight others, which is true for the right ones."""
    scores = torch.zeros(len(right) * queries, 9)
    scores[:, 0] = torch.where(right, 8.0, 0.0).repeat_interleave(queries)
    scores[:, 1] = 8 - scores[:, 0]
    noise = torch.randn(scores.shape, generator=torch.Generator().manual_seed(0))
    return drawn(scores + 0.1 * noise, torch.arange(len(right)).repeat_interleave(queries))


def top(made: Calibration) -> float:
    query = torch.zeros(1, 9)
    query[0, 0] = 8
    return float(made(query)[0, 0])


def test_calibration_finds_the_chance_that_made_the_labels():
    random = torch.Generator().manual_seed(0)
    # One of nine answers is true and scores higher, in units in which the softmax is the exact posterior.
    scores = 2 * torch.randn(4000, 9, generator=random)
    scores[:, 0] += 4
    groups = torch.arange(4000) % 800
    made = fit_calibration(drawn(scores, groups))
    grid = 2 * torch.randn(200, 9, generator=random)
    assert float((made(grid) - torch.softmax(grid, dim=1)).abs().mean()) < 0.01
    assert made.error < 0.03
    # Half of the others, each standing for two, say much the same.
    fewer = fit_calibration(drawn(scores[:, :5], groups, 8))
    assert float((fewer(grid) - made(grid)).abs().mean()) < 0.03
    # Overconfident scores are brought down.
    loud = fit_calibration(drawn(3 * scores, groups))
    assert float(loud(3 * grid).max()) < 1 - 1e-6
    assert loud.of_score + loud.of_share < 0.8
    out = torch.tensor([False] * 8 + [True])
    assert (made(grid, out)[:, 8] == 0).all()
    torch.testing.assert_close(made(grid, out)[:, :8], made(grid[:, :8]))


def test_too_little_gives_no_probabilities():
    assert fit_calibration(sure(torch.tensor([True, True]), queries=1)) is None
    assert fit_calibration(sure(torch.ones(4, dtype=torch.bool), queries=50)) is None
    assert fit_calibration(sure(torch.ones(6, dtype=torch.bool), queries=1)) is None


def test_few_relations_draw_confidences_down():
    few, many = (fit_calibration(sure(torch.ones(count, dtype=torch.bool))) for count in (6, 120))
    # By the rule of succession, however well the answers separate.
    assert top(few) <= 7 / 8 + 1e-6
    assert top(many) > top(few) + 0.05
    assert top(replace(few, drawn=PLAIN)) > top(few)


def test_what_holds_for_some_relations_alone_is_no_certainty():
    right = torch.arange(40) % 2 == 0
    made = fit_calibration(sure(right))
    assert top(made) == pytest.approx(0.5, abs=0.15)
    # Where nine of ten are right, each of them is judged too low, and the tenth far too high.
    most = fit_calibration(sure(torch.arange(40) % 10 > 0))
    assert 0.7 < top(most) < 0.95
    assert most.error + 0.05 < most.error_of_one


def test_relations_weigh_alike():
    right = torch.arange(12) == 0
    judged = sure(right, queries=10)
    whole = torch.cat([torch.arange(10).repeat(60), torch.arange(10, 120)])
    many = Judged(*(value[whole] for value in vars(judged).values()))
    assert int((many.group == 0).sum()) > 5 * int((many.group != 0).sum())
    assert top(fit_calibration(many)) < 0.3


def test_the_error_is_that_of_relations_left_out():
    # Each relation has answers of a score of its own: what they are worth is not to be learned from the others.
    random = torch.Generator().manual_seed(1)
    right = torch.rand(10, generator=random) < 0.5
    judged = sure(right, queries=40)
    made = fit_calibration(judged)
    within = fit_calibration(replace(judged, group=torch.arange(400)))
    assert made.error > within.error


def test_an_error_that_is_not_known_is_told_so_and_comes_back(tmp_path):
    scores = 1e-3 * torch.randn(60, 11, generator=torch.Generator().manual_seed(0))
    made = fit_calibration(drawn(scores, torch.arange(60) // 6, 1000))
    assert made.error is None
    assert "unknown" in made.line()
    assert "10 held-out relations, 60 queries" in made.line()
    assert Calibration.from_dict(json.loads(json.dumps(made.to_dict(), allow_nan=False))) == made
    known = fit_calibration(sure(torch.ones(8, dtype=torch.bool)))
    assert f"calibration error {known.error:.3f} on 8 held-out relations, 48 queries" in known.line()
    write_model(tmp_path / "model", {"format": "x", "error": float("nan"), "list": [float("inf"), 1.5]}, {})
    told = (tmp_path / "model" / "model.json").read_text()
    assert json.loads(told) == {"format": "x", "error": None, "list": [None, 1.5]}


def test_where_nothing_is_said_what_was_not_shown_gets_nothing():
    judged = sure(torch.arange(20) < 1)
    plain, silent = (fit_calibration(judged, benefit=benefit) for benefit in (1.0, 0.0))
    assert max(silent.drawn) < max(plain.drawn)


def test_facts_take_no_share_of_the_answers_that_are_asked_for():
    made = Calibration(0.0, 0.0, 1.0, PLAIN, None, None, 9, 99)
    scores = torch.tensor([[9.0, 2.0, 1.0, 0.0]])
    known = torch.tensor([[True, False, False, False]])
    found = made(scores, known=known)
    torch.testing.assert_close(found[:, 1:], torch.softmax(scores[:, 1:], dim=1))
    torch.testing.assert_close(found[:, 0], torch.softmax(scores, dim=1)[:, 0])  # a fact is held against the others
    assert float(made(scores)[0, 1]) < 0.01 < float(found[0, 1])
    out = torch.tensor([False, False, True, False])
    torch.testing.assert_close(made(scores, out, known)[:, [1, 3]], torch.softmax(scores[:, [1, 3]], dim=1))
    assert float(made(scores, out, known)[0, 2]) == 0
    every = torch.ones(1, 4, dtype=torch.bool)
    assert bool(torch.isfinite(made(scores, known=every)).all())


def test_one_true_answer_stands_for_all_of_its_query():
    random = torch.Generator().manual_seed(0)
    # Forty answers, four of them true; each query is there once for each of these, with twelve others that are not.
    scores = 2 * torch.randn(2000, 40, generator=random)
    scores[:, :4] += 4
    some = torch.cat([torch.cat([scores[:, [one]], scores[:, 4:16]], dim=1) for one in range(4)])
    groups = (torch.arange(2000) % 400).repeat(4)
    wrong, ones = torch.zeros(some.shape, dtype=torch.bool), torch.ones(len(some), dtype=torch.int64)
    made = fit_calibration(Judged.of_drawn(some, wrong, 4 * ones, 36 * ones, groups))
    truth = torch.zeros(2000, 40, dtype=torch.float64)
    truth[:, :4] = 1

    def off(told):
        group = torch.zeros(truth.numel(), dtype=torch.int64)
        return calibration_errors(told.double().flatten(), truth.flatten(), torch.ones(truth.numel()), group, fewest=1)

    told = made(scores)
    assert off(told)[0] < 0.08
    # As if there were one, they would all be told as less likely.
    alone = fit_calibration(Judged.of_drawn(some, wrong, ones, 36 * ones, groups))
    assert float(alone(scores)[:, :4].mean()) < float(told[:, :4].mean()) - 0.1
    assert off(alone(scores))[0] > 2 * off(told)[0]


@pytest.mark.parametrize(("groups", "right", "benefit"), [(6, 3, 1.0), (8, 2, 1.0), (8, 2, 0.0)])
def test_what_is_not_borne_out_is_drawn_down_by_its_formula(groups, right, benefit):
    """Of ``groups`` relations with one answer at 0.81 some are right: a part s of what they were told bears out."""
    chance = torch.tensor([0.81, 0.02], dtype=torch.float64).repeat(groups)
    truth = torch.tensor([1.0, 0.0]).repeat(right).double()
    truth = torch.cat([truth, torch.tensor([0.0, 1.0]).repeat(groups - right).double()])
    query = torch.arange(groups).repeat_interleave(2)
    nothing = torch.zeros(2 * groups, 3, dtype=torch.float64)
    rows = _Rows(nothing, truth, torch.ones(2 * groups, dtype=torch.float64), query, query, nothing[0], nothing[0])
    drawn = _drawn(rows, chance, groups, benefit)
    borne_out = right / (0.81 * groups)
    expected = 0.8 * (groups * borne_out + benefit) / (groups + 1 + benefit)
    assert float(drawn[16]) == pytest.approx(expected)
    # What nobody was told is drawn down to what no relation speaks for, and never below what is told of less sure ones.
    assert float(drawn[20]) == pytest.approx(max(float(drawn[16]), benefit / (1 + benefit)))
