"""Queries of ``kgzsl predict`` about triples: answered relation by relation, told in their order, each once."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from kgzsl.cli.answers import write_answers
from kgzsl.cli.commands import predict
from kgzsl.tasks.kg_completion.completer import Completer


class Table(Completer):
    entities_, relations_, seen_ = ("a", "b", "c"), ("r", "s"), ["r"]
    memory_budget = memory_budget_ = 1 << 20
    _known = torch.zeros(0, 3, dtype=torch.int64)

    def __init__(self) -> None:
        self.asked: list[tuple[int, list[int]]] = []

    def scores(self, relation, anchors, *, side="tail"):
        self.asked.append((relation, anchors.tolist()))
        return torch.eye(3)[(anchors + relation) % 3]


def ask(tmp_path, model, told=None):
    file = tmp_path / "q.tsv"
    file.write_text("a\tr\nb\ts\nb\tr\na\tr\nc\ts\n")
    progress = None if told is None else lambda done, total: told.append((done, total))
    found = list(predict.complete(model, file, "all", 1, None, False, progress=progress))
    return [(one.query["head"], one.query["relation"], one.ranked[0]["tail"]) for one in found]


WANTED = [("a", "r", "a"), ("b", "s", "c"), ("b", "r", "b"), ("a", "r", "a"), ("c", "s", "a")]


def test_queries_about_one_relation_are_scored_together_and_each_once(tmp_path) -> None:
    model, told = Table(), []
    assert ask(tmp_path, model, told) == WANTED
    assert model.asked == [(0, [0, 1]), (1, [1, 2])]
    assert told == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_many_queries_are_gone_through_in_parts(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(predict, "_TOGETHER", 2)
    model = Table()
    assert ask(tmp_path, model) == WANTED
    assert [len(anchors) for _, anchors in model.asked] == [1, 1, 2, 1]


class Calibrated(Table):
    """``r`` has probabilities, ``s`` has none."""

    def calibrations_for(self, relation):
        return (SimpleNamespace(),) if relation == 0 else ()

    def _chances(self, scores, relation, anchors, side, allowed):
        return scores / 4 if self.calibrations_for(relation) else None


def test_confidences_are_a_column_of_all_rows_where_one_relation_has_them(tmp_path) -> None:
    file = tmp_path / "q.tsv"
    file.write_text("a\tr\nb\ts\n")
    for model, header, rows in (
        (Calibrated(), "head,relation,rank,tail,score,confidence", ["a,r,1,a,1.0,0.25", "b,s,1,c,1.0,"]),
        (Table(), "head,relation,rank,tail,score", ["a,r,1,a,1.0", "b,s,1,c,1.0"]),
    ):
        write_answers(predict.complete(model, file, "all", 1, None, False), tmp_path / "a.csv")
        assert (tmp_path / "a.csv").read_text().splitlines() == [header, *rows]
