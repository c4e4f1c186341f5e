"""ULTRA: what must hold for any graph, and the published figures from the public weights."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pytest
import torch

from kgzsl.errors import InputError
from kgzsl.tasks.kg_completion.inductive import MEETINGS, FactGraph, Ultra, evaluate_inductive

ENTITIES, RELATIONS = 14, 3


def some_triples(count: int = 40, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    entities = torch.randint(0, ENTITIES, (count, 2), generator=generator)
    relation = torch.randint(0, RELATIONS, (count, 1), generator=generator)
    return torch.cat([entities[:, :1], relation, entities[:, 1:]], dim=1)


@pytest.fixture
def model() -> Ultra:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Ultra(dim=8, layers=3).eval()


def all_queries() -> tuple[torch.Tensor, torch.Tensor]:
    grid = torch.cartesian_prod(torch.arange(ENTITIES), torch.arange(2 * RELATIONS))
    return grid[:, 0], grid[:, 1]


@pytest.mark.parametrize("head_queries", ["inverse", "direct"])
@pytest.mark.parametrize("budget", [1, 1 << 20])
def test_chunked_scoring_equals_the_plain_forward_pass(model: Ultra, head_queries: str, budget: int) -> None:
    model.head_queries = head_queries
    graph = FactGraph(some_triples(), ENTITIES, RELATIONS)
    heads, relations = all_queries()
    with torch.no_grad():
        expected = model(graph, heads, relations)
    torch.testing.assert_close(model.score(graph, heads, relations, budget=budget), expected, atol=1e-5, rtol=1e-4)


def test_a_layer_by_hand(model: Ultra) -> None:
    """One entity layer of dense loops over the facts: the message of (h, r, t) goes to h, its inverse to t."""
    model = Ultra(dim=4, layers=1).eval()
    triples = torch.tensor([[0, 0, 1], [2, 1, 1]])
    graph = FactGraph(triples, 3, 2)
    with torch.no_grad():
        states = model.relation_states(graph, torch.tensor([0]))[0]
        query = states[0]
        layer = model.entity_model.layers[0]
        weights = layer.relation_projection(states)
        initial = torch.zeros(3, 4)
        initial[0] = query
        gathered = initial.clone()
        for head, relation, tail in triples.tolist():
            gathered[head] += initial[tail] * weights[relation]
            gathered[tail] += initial[head] * weights[relation + 2]
        mixed = torch.cat([initial, gathered], dim=1) @ layer.linear.weight.T + layer.linear.bias
        final = initial + torch.relu(layer.layer_norm(mixed))
        expected = model.entity_model.mlp(torch.cat([final, query.expand(3, 4)], dim=1)).squeeze(1)
        found = model(graph, torch.tensor([0]), torch.tensor([0]))[0]
    torch.testing.assert_close(found, expected)


def test_how_relations_meet() -> None:
    # 0 -r0-> 1 -r1-> 2: the tail of r0 is the head of r1.
    graph = FactGraph(torch.tensor([[0, 0, 1], [1, 1, 2]]), 3, 2)
    meets = {name: matrix.to_dense() for name, matrix in zip(MEETINGS, graph.relation_adjacency, strict=True)}
    assert meets["tail-head"][0, 1] == 1
    assert meets["head-tail"][1, 0] == 1
    assert meets["head-head"][0, 1] == 0
    assert meets["head-head"][1, 2] == 1  # the inverse of r0 starts where r1 starts
    assert all(matrix.max() == 1 for matrix in meets.values())


def test_renaming_entities_permutes_the_scores(model: Ultra) -> None:
    renamed = torch.randperm(ENTITIES, generator=torch.Generator().manual_seed(3))
    triples = some_triples()
    other = torch.stack([renamed[triples[:, 0]], triples[:, 1], renamed[triples[:, 2]]], dim=1)
    heads, relations = all_queries()
    first = model.score(FactGraph(triples, ENTITIES, RELATIONS), heads, relations)
    second = model.score(FactGraph(other, ENTITIES, RELATIONS), renamed[heads], relations)
    torch.testing.assert_close(second[:, renamed], first, atol=1e-5, rtol=1e-4)


def test_renaming_relations_changes_nothing(model: Ultra) -> None:
    renamed = torch.tensor([2, 0, 1])
    both = torch.cat([renamed, renamed + RELATIONS])
    triples = some_triples()
    other = torch.stack([triples[:, 0], renamed[triples[:, 1]], triples[:, 2]], dim=1)
    heads, relations = all_queries()
    first = model.score(FactGraph(triples, ENTITIES, RELATIONS), heads, relations)
    second = model.score(FactGraph(other, ENTITIES, RELATIONS), heads, both[relations])
    torch.testing.assert_close(second, first, atol=1e-5, rtol=1e-4)


def test_new_edge_types_change_nothing_until_trained_and_then_do(tmp_path: Path, model: Ultra) -> None:
    torch.save({"model": model.state_dict(), "optimizer": {}}, tmp_path / "tiny.pth")
    triples = some_triples()
    heads, relations = all_queries()
    plain = Ultra.from_checkpoint(tmp_path / "tiny.pth")
    more = Ultra.from_checkpoint(tmp_path / "tiny.pth", meetings=(*MEETINGS, "sub-property"))
    graph = FactGraph(triples, ENTITIES, RELATIONS)
    richer = FactGraph(triples, ENTITIES, RELATIONS, extra_meetings={"sub-property": torch.tensor([[0, 1], [2, 4]])})
    before = more.score(richer, heads, relations)
    torch.testing.assert_close(before, plain.score(graph, heads, relations))
    with torch.no_grad():
        for layer in more.relation_model.layers:
            layer.relation.weight[-1] = 1.0
    assert (more.score(richer, heads, relations) - before).abs().max() > 1e-3


def test_training_lowers_the_loss(model: Ultra) -> None:
    triples = some_triples()
    graph = FactGraph(triples, ENTITIES, RELATIONS)
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    losses = []
    for _ in range(15):
        loss = torch.nn.functional.cross_entropy(model(graph, triples[:, 0], triples[:, 1]), triples[:, 2])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.2


class _Constant(Ultra):
    def score(self, graph, heads, relations, *, budget=0):
        return torch.zeros(len(heads), graph.num_entities)


def test_a_constant_scorer_scores_chance() -> None:
    triples = some_triples()
    graph = FactGraph(triples, ENTITIES, RELATIONS)
    # Every query with exactly its one answer filtered against nothing: (N + 1) / 2 is the expected rank.
    query = torch.tensor([[0, 0, 5]])
    result = evaluate_inductive(_Constant(dim=4, layers=1), graph, query, known=query)
    assert result.ranks.tolist() == [(ENTITIES + 1) / 2] * 2
    worst = evaluate_inductive(_Constant(dim=4, layers=1), graph, query, known=query, ties="pessimistic")
    assert worst.ranks.tolist() == [ENTITIES] * 2


def test_known_answers_are_left_out(model: Ultra) -> None:
    triples = some_triples()
    graph = FactGraph(triples, ENTITIES, RELATIONS)
    scores = model.score(graph, triples[:, 0], triples[:, 1])
    result = evaluate_inductive(model, graph, triples, known=triples)
    known = {tuple(row) for row in triples.tolist()}
    for row, (head, relation, tail) in enumerate(triples.tolist()):
        rivals = [e for e in range(ENTITIES) if e != tail and (head, relation, e) not in known]
        higher = sum(float(scores[row, e]) > float(scores[row, tail]) for e in rivals)
        equal = sum(float(scores[row, e]) == float(scores[row, tail]) for e in rivals)
        assert result.ranks[row] == 1 + higher + equal / 2


# Public checkpoint, public code, two sides, filtered, pessimistic ties: ULTRA's repository re-run; see docs.
PUBLISHED = {"NL-0": (0.3472, 0.5144), "NL-75": (0.3478, 0.5272), "NL-100": (0.4418, 0.6305)}


@pytest.mark.parametrize(
    "name", ["NL-75", pytest.param("NL-0", marks=pytest.mark.slow), pytest.param("NL-100", marks=pytest.mark.slow)]
)
def test_the_public_weights_give_the_public_figures(name: str) -> None:
    folder = os.environ.get("KGZSL_DATA")
    if not folder or not (Path(folder) / "kg/ultra/ultra_3g.pth").is_file():
        pytest.skip("set KGZSL_DATA to a folder with kg/ultra/ultra_3g.pth and kg/ingram")
    entities: dict[str, int] = {}
    relations: dict[str, int] = {}

    def read(part: str) -> torch.Tensor:
        lines = (Path(folder) / f"kg/ingram/{name}/{part}.txt").read_text(encoding="utf-8").splitlines()
        rows = [line.split("\t") for line in lines]
        return torch.tensor(
            [
                (
                    entities.setdefault(h, len(entities)),
                    relations.setdefault(r, len(relations)),
                    entities.setdefault(t, len(entities)),
                )
                for h, r, t in rows
            ]
        )

    facts, valid, test = read("msg"), read("valid"), read("test")
    graph = FactGraph(facts, len(entities), len(relations))
    model = Ultra.from_checkpoint(Path(folder) / "kg/ultra/ultra_3g.pth", head_queries="direct")
    result = evaluate_inductive(model, graph, test, known=torch.cat([facts, valid, test]), ties="pessimistic")
    assert result.metrics["mrr"] == pytest.approx(PUBLISHED[name][0], abs=2e-3)
    assert result.metrics["hits@10"] == pytest.approx(PUBLISHED[name][1], abs=2e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda path: Ultra.from_checkpoint(path / "none.pth"), "no such checkpoint"),
        (lambda path: Ultra.from_checkpoint(_saved(path, {"model": {}})), "no ULTRA weights inside"),
        (lambda path: Ultra.from_checkpoint(_text(path)), "not a checkpoint that loads safely"),
        (lambda path: Ultra(head_queries="both"), "head_queries is 'both'"),
        (lambda path: FactGraph(torch.tensor([[0, 0, 9]]), 3, 1), r"triple 0: ids \[0, 0, 9\] are out of range"),
        (lambda path: FactGraph(torch.tensor([0, 0, 9]), 3, 1), "give \\[T, 3\\]"),
    ],
)
def test_bad_input(tmp_path: Path, call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(tmp_path)


class _Code:
    def __reduce__(self):
        return print, ("run",)


def test_a_checkpoint_that_holds_code_is_refused_without_advice_to_run_it(tmp_path: Path) -> None:
    odd = [_saved(tmp_path, {"model": _Code()}), _text(tmp_path), tmp_path / "empty.pth"]
    odd[-1].touch()
    for file, why in zip(odd, ["more than tensors", "more than tensors", "empty"], strict=True):
        with pytest.raises(InputError, match=why) as caught:
            Ultra.from_checkpoint(file)
        assert "weights_only" not in "".join(traceback.format_exception(caught.value))


def test_a_checkpoint_must_hold_finite_numbers_in_tensors(tmp_path: Path, model: Ultra) -> None:
    weights = model.state_dict()
    first = "relation_model.layers.0.relation.weight"
    for value, why in (
        (torch.full_like(weights[first], torch.nan), "not finite"),
        ([1.0], "no ULTRA"),
        (None, "no ULTRA"),
    ):
        with pytest.raises(InputError, match=f"odd.pth.*{why}"):
            Ultra.from_checkpoint(_saved(tmp_path, {"model": {**weights, first: value}}))
    with pytest.raises(InputError, match="no ULTRA"):
        Ultra.from_checkpoint(_saved(tmp_path, {"model": {**weights, first: weights[first].flatten()}}))


def _saved(folder: Path, content: object) -> Path:
    torch.save(content, folder / "odd.pth")
    return folder / "odd.pth"


def _text(folder: Path) -> Path:
    (folder / "text.pth").write_text("no weights")
    return folder / "text.pth"
