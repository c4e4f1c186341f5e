"""What every completer does with its scores: order, ties, what is left out, many ends at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import Tensor

from kgzsl.errors import InputError
from kgzsl.tasks.kg_completion import RelationCompleter
from kgzsl.tasks.kg_completion.completer import Completer, Completion
from kgzsl.tasks.kg_completion.evidence import EvidenceCompleter
from kgzsl.tasks.kg_completion.evidence.calibration import Calibration
from kgzsl.tasks.kg_completion.inductive import InductiveTask, InformedCompleter, RmpiCompleter, UltraCompleter
from kgzsl.tasks.kg_completion.ordinary import EmbeddingCompleter

NAN = float("nan")


class Table(Completer):
    """Scores that are there, [E, E], heads by tails."""

    def __init__(self, table: list[list[float]], names: str, known: list[list[int]] | None = None) -> None:
        self.table = torch.tensor(table)
        self.entities_, self.relations_, self.seen_ = tuple(names), ("r",), ["r"]
        self.memory_budget = self.memory_budget_ = 1 << 20
        self._known = torch.tensor(known or [], dtype=torch.int64).reshape(-1, 3)
        self.asked: list[int] = []

    def scores(self, relation: str | int, anchors: Tensor, *, side: str = "tail") -> Tensor:
        self.asked.append(len(anchors))
        return (self.table if side == "tail" else self.table.T)[anchors]


def tails(found: list[Completion]) -> str:
    return "".join(one.tail for one in found)


def test_the_best_come_first_and_of_equals_those_whose_name_does():
    model = Table([[1.0, 3.0, 3.0, 3.0, 2.0]] * 5, "edbca")
    assert tails(model.complete("r", head="a", k=3)) == "bcd"
    assert tails(model.complete("r", head="a", k=2)) == "bc"
    assert tails(model.complete("r", head="a")) == "bcdae"
    assert tails(model.complete("r", head="a", candidates=["e", "a", "d"])) == "dae"
    assert [one.head for one in model.complete("r", tail="b", k=2)] == ["a", "b"]


def test_facts_and_what_has_no_score_are_no_answers():
    model = Table([[1.0, NAN, 3.0], [NAN, NAN, NAN], [1.0, 2.0, 3.0]], "abc", [[0, 0, 2]])
    assert tails(model.complete("r", head="a")) == "a"
    assert tails(model.complete("r", head="a", known=True)) == "ca"
    assert model.complete("r", head="b") == []


def test_many_ends_at_once_are_answered_as_each_by_itself():
    table = torch.randn(150, 150, generator=torch.Generator().manual_seed(0)).mul(3).round()
    names = [f"{7 * i % 150:03d}" for i in range(150)]
    model = Table(table.tolist(), "a", [[i, 0, (3 * i) % 150] for i in range(150)])
    model.entities_ = tuple(names)
    asked = names[10:] + names[:3] + names[:1]
    for ends in ("heads", "tails"):
        together = list(model.complete_each("r", **{ends: asked}, k=4))
        assert together == [model.complete("r", **{ends[:-1]: name}, k=4) for name in asked]
    model.asked.clear()
    list(model.complete_each("r", heads=asked))
    assert model.asked == [64, 64, 16]
    model.limit_memory(150 * 24 * 3 * 5)
    assert [len(part) for part in model.parts(torch.arange(11))] == [5, 5, 1]
    assert list(model.complete_each("r", heads=[])) == []


def test_the_best_of_all_pairs():
    model = Table([[1.0, 5.0, 2.0], [5.0, 4.0, 9.0], [0.0, 3.0, 5.0]], "abc", [[1, 0, 2]])
    every = [(one.head, one.tail, one.score) for one in model.complete("r", k=4)]
    assert every == [("a", "b", 5.0), ("b", "a", 5.0), ("c", "c", 5.0), ("b", "b", 4.0)]
    # As by sorting all pairs, in however many parts.
    table = torch.randn(90, 90, generator=torch.Generator().manual_seed(3)).mul(2).round()
    names = [f"{7 * i % 90:03d}" for i in range(90)]
    large = Table(table.tolist(), "a", [[i, 0, i] for i in range(90)])
    large.entities_ = tuple(names)
    wanted = sorted(
        ((-float(table[a, b]), names[a], names[b]) for a in range(90) for b in range(90) if a != b),
    )
    for k in (1, 5, 300):
        assert [(-one.score, one.head, one.tail) for one in large.complete("r", k=k)] == wanted[:k]
    # Pairs of candidates, each once.
    some = model.complete("r", k=9, candidates=["a", "b", "b"])
    assert [(one.head, one.tail) for one in some] == [("a", "b"), ("b", "a"), ("b", "b"), ("a", "a")]
    assert model.complete("r", head="b", tail="c") == [Completion("b", "r", "c", 9.0)]


class Sure(Table):
    """Its chances are by its scores, and dear."""

    def _chances(self, scores: Tensor, relation: int, anchors: Tensor, side: str, allowed: Tensor | None) -> Tensor:
        self.asked += anchors.tolist()
        return torch.softmax(scores, dim=1)


def test_of_all_pairs_only_those_that_may_stay_are_given_chances():
    table = torch.randn(300, 300, generator=torch.Generator().manual_seed(0))
    table[70, 5] = NAN
    model = Sure(table.tolist(), "a", [[200, 0, 3]])
    model.entities_ = tuple(f"{i:03d}" for i in range(300))
    model.scores = lambda relation, anchors, side: table[anchors]
    found = model.complete("r", k=5)
    assert len(model.asked) < 30
    whole = torch.softmax(table.nan_to_num(nan=float("-inf")), dim=1)
    for one in found:
        assert one.confidence == float(whole[int(one.head), int(one.tail)])
    # Those that are known and those that are no candidates take their share.
    each = list(model.complete_each("r", heads=["200", "070"], k=2, candidates=["003", "004", "005"]))
    told = [(one.head, one.tail, one.confidence) for one in [*each[0], *each[1]]]
    wanted = [("200", "005"), ("200", "004"), ("070", "003"), ("070", "004")]
    assert sorted(told) == sorted((h, t, float(whole[int(h), int(t)])) for h, t in wanted)


def test_bad_requests():
    model = Table([[1.0, 2.0], [2.0, 1.0]], "ab")
    with pytest.raises(InputError, match="one of the two"):
        model.complete_each("r")
    with pytest.raises(InputError, match="one of the two"):
        model.complete_each("r", heads=["a"], tails=["b"])
    # Before anything is scored or taken from it.
    with pytest.raises(InputError, match="no entity is called 'x'"):
        model.complete_each("r", heads=["a", "x"])
    for ends in ({}, {"head": "a"}, {"head": "a", "tail": "b"}):
        with pytest.raises(InputError, match="k is 0"):
            model.complete("r", **ends, k=0)
        with pytest.raises(InputError, match="candidates='unseen' is not known"):
            model.complete("r", **ends, candidates="unseen")
        with pytest.raises(InputError, match="no relation is called 's'"):
            model.complete("s", **ends)
    assert not model.asked
    with pytest.raises(InputError, match="memory_budget is 0"):
        model.limit_memory(0)


ALL = [RelationCompleter, EvidenceCompleter, EmbeddingCompleter, UltraCompleter, InformedCompleter, RmpiCompleter]


@pytest.mark.parametrize("kind", ALL)
def test_what_is_not_fitted_says_so(kind):
    for ask in (
        lambda model: model.complete("r", head="a"),
        lambda model: model.complete_each("r", heads=["a"]),
        lambda model: model.scores("r", torch.arange(2)),
        lambda model: model.scores(0, torch.arange(2)),
        lambda model: model.probabilities(0, torch.arange(2)),
    ):
        with pytest.raises(InputError, match=r"the model is not fitted yet; call fit\(\.\.\.\) first"):
            ask(kind())


@pytest.mark.parametrize("kind", ALL)
def test_a_side_is_tail_or_head(kind):
    model = kind()
    model.relations_, model.entities_ = ("r",), ("a", "b")
    with pytest.raises(InputError, match="side is 'bad'; choose tail or head"):
        model.scores("r", torch.arange(2), side="bad")


@pytest.mark.parametrize("kind", ALL)
def test_unfitted_copies_have_the_same_options(kind):
    model = kind(seed=3)
    assert clone(model).get_params(deep=False) == model.get_params()
    assert clone(model).seed == 3


@pytest.mark.parametrize("kind", ALL[1:])
@pytest.mark.parametrize("budget", [-1, 0, 1e8, "much"])
def test_a_memory_budget_is_a_number_of_bytes(kind, budget):
    with pytest.raises(InputError, match=f"memory_budget is {budget!r}"):
        kind(memory_budget=budget)


UNFITTED = (RelationCompleter, EvidenceCompleter, EmbeddingCompleter, RmpiCompleter)


@pytest.mark.parametrize("kind", UNFITTED)
def test_an_unfitted_model_takes_no_facts(kind):
    model = kind(None) if kind is RelationCompleter else kind()
    with pytest.raises(InputError, match="not fitted yet"):
        model.set_facts(torch.zeros(1, 3, dtype=torch.int64))


@pytest.fixture(params=UNFITTED)
def fitted(request, kg, priors):
    if request.param is RelationCompleter:
        pairs = {"dim": 4, "link_dim": 4, "steps": 1, "queries": 2, "corrupted": 2}
        return RelationCompleter(None, pairs=pairs, device="cpu").fit(kg, priors)
    if request.param is EvidenceCompleter:
        return EvidenceCompleter(folds=2, queries=2, corrupted=4, steps=2, calibrate=False).fit(kg, priors)
    if request.param is EmbeddingCompleter:
        return EmbeddingCompleter(dim=4, epochs=1, batch_size=8).fit(kg)
    return RmpiCompleter(dim=4, epochs=1, calibrate=False).fit(InductiveTask.training(kg))


def test_what_is_no_id_is_refused_before_it_is_used_as_one(fitted):
    count, kinds = len(fitted.entities_), len(fitted.relations_)
    for wrong, told in (
        ([count], f"{count} is no entity id: there are {count}"),
        ([-1], "-1 is no entity id"),
        ([0.5], "given ends are float32, not ids"),
        ([True], "given ends are bool, not ids"),
        ([[0, 1]], r"given ends have the shape \(1, 2\)"),
        (["ann"], "given ends are no ids"),
    ):
        with pytest.raises(InputError, match=told):
            fitted.scores(0, torch.tensor(wrong) if not isinstance(wrong[0], str) else wrong)
    before = fitted.scores(0, torch.tensor([0, 1]))
    for same in (
        [0, 1],
        np.array([0, 1], dtype=np.int32),
        np.array([1, 0])[::-1],
        torch.tensor([0, 1], dtype=torch.int16),
    ):
        assert torch.equal(fitted.scores(0, same), before)
    assert fitted.scores(0, []).shape == (0, count)
    for wrong, told in (
        ([[0, 0, count]], f"{count} is no entity id"),
        ([[0, kinds, 1]], f"{kinds} is no relation id: there are {kinds}"),
        ([[0, -1, 1]], "-1 is no relation id"),
        ([0, 0, 1], r"facts have the shape \(3,\)"),
        ([[0.0, 0.0, 1.0]], "facts are float32, not ids"),
    ):
        with pytest.raises(InputError, match=told):
            fitted.set_facts(torch.tensor(wrong))
    # Nothing was taken half.
    assert torch.equal(fitted.scores(0, [0, 1]), before)


def test_probabilities_and_single_answers_are_asked_for_by_ids_in_any_form(kg, priors):
    model = EmbeddingCompleter(dim=4, epochs=1, batch_size=8).fit(kg)
    model.calibration_ = Calibration(0.0, 0.0, 1.0, tuple(i / 20 for i in range(21)), None, None, 9, 18, "facts")
    asked = int(model._known[0, 1])
    told = model.probabilities(asked, torch.tensor([0, 1]))
    for same in ([0, 1], np.array([0, 1], dtype=np.int32), torch.tensor([0, 1], dtype=torch.int16)):
        assert torch.equal(model.probabilities(asked, same), told)
        assert torch.equal(model.calibration_of(model.scores(asked, same), asked, same, "tail"), told)
    with pytest.raises(InputError, match="-1 is no entity id"):
        model.calibration_of(model.scores(asked, [1]), asked, [-1], "tail")
    evidence = EvidenceCompleter(folds=2, queries=2, corrupted=4, steps=2, calibrate=False).fit(kg, priors)
    some = evidence.scores(0, [0, 1], entities=[3, 5])
    torch.testing.assert_close(some, evidence.scores(0, [0, 1])[:, [3, 5]])
    with pytest.raises(InputError, match="-1 is no entity id"):
        evidence.scores(0, [0], entities=[-1])
    with pytest.raises(InputError, match="entities are float32, not ids"):
        evidence.scores(0, [0], entities=[0.5])


def test_what_is_no_name_or_count_is_refused():
    model = Table([[1.0, 2.0], [3.0, 4.0]], "ab")
    for wrong in (0, 1.5, True, ["a"]):
        with pytest.raises(InputError, match=r"entity: .* is no name"):
            model.complete("r", head=wrong)
    for wrong in (None, 1.5, True, ["r"]):
        with pytest.raises(InputError, match=r"relation: .* is no name"):
            model.complete(wrong, head="a")
    for wrong in (0, 1.5, "3", True, None):
        with pytest.raises(InputError, match="k is"):
            model.complete("r", head="a", k=wrong)
    with pytest.raises(InputError, match="one name was given, 'ab'"):
        list(model.complete_each("r", heads="ab"))


def test_no_facts_at_all_may_be_told(fitted):
    assert len(fitted.set_facts([])._known) == 0


def test_answers_have_the_confidences_of_their_candidates_and_facts_have_one(kg):
    model = EmbeddingCompleter(dim=4, epochs=1, batch_size=8).fit(kg)
    head, asked, tail = model._known[0].tolist()
    named = model.entities_[head], model.relations_[asked]
    assert {one.confidence for one in model.complete(named[1], head=named[0], k=3)} == {None}
    model.calibration_ = Calibration(0.0, 0.5, 1.0, tuple(i / 20 for i in range(21)), None, None, 9, 18, "facts")
    told = model.probabilities(asked, torch.tensor([head]))[0]
    ids = {name: number for number, name in enumerate(model.entities_)}
    found = model.complete(named[1], head=named[0], k=5)
    assert [one.confidence for one in found] == pytest.approx([float(told[ids[one.tail]]) for one in found])
    assert len({one.confidence for one in found}) > 1
    some = [one.tail for one in found[:2]]
    allowed = torch.zeros(len(ids), dtype=torch.bool)
    allowed[[ids[name] for name in some]] = True
    among = model.probabilities(asked, torch.tensor([head]), allowed=allowed)[0]
    fewer = model.complete(named[1], head=named[0], candidates=some)
    assert [one.confidence for one in fewer] == pytest.approx([float(among[ids[one.tail]]) for one in fewer])
    # Others take no share of them.
    assert all(one.confidence > two.confidence for one, two in zip(fewer, found, strict=False))
    every = {one.tail: one for one in model.complete(named[1], head=named[0], k=len(ids), known=True)}
    assert every[model.entities_[tail]].confidence == 1
    alone = model.complete(named[1], head=named[0], tail=found[0].tail)
    assert alone[0].confidence == pytest.approx(found[0].confidence)
    assert model.complete(named[1], k=1)[0].confidence is not None
    heads = model.complete(named[1], tail=model.entities_[tail], k=2)
    back = model.probabilities(asked, torch.tensor([tail]), side="head")[0]
    assert [one.confidence for one in heads] == pytest.approx([float(back[ids[one.head]]) for one in heads])
