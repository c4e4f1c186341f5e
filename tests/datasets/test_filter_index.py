from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kgzsl.datasets import FilterIndex
from kgzsl.errors import InputError

E, R = 6, 3
triples = st.lists(st.tuples(st.integers(0, E - 1), st.integers(0, R - 1), st.integers(0, E - 1)), max_size=40)


@given(triples, triples)
def test_agrees_with_sets_of_triples(known: list[tuple[int, int, int]], asked: list[tuple[int, int, int]]) -> None:
    index = FilterIndex(torch.tensor(known, dtype=torch.int64).reshape(-1, 3), E, R)
    queries = torch.tensor(asked, dtype=torch.int64).reshape(-1, 3)
    assert len(index) == len(set(known))
    rows, tails = index.tails(queries[:, 0], queries[:, 1])
    expected = {(q, t) for q, (h, r, _) in enumerate(asked) for (kh, kr, t) in known if (kh, kr) == (h, r)}
    assert len(rows) == len(expected)
    assert set(zip(rows.tolist(), tails.tolist(), strict=True)) == expected
    rows, heads = index.heads(queries[:, 1], queries[:, 2])
    expected = {(q, h) for q, (_, r, t) in enumerate(asked) for (h, kr, kt) in known if (kr, kt) == (r, t)}
    assert set(zip(rows.tolist(), heads.tolist(), strict=True)) == expected
    assert index.contains(queries).tolist() == [triple in set(known) for triple in asked]


def test_masks_scores_in_one_assignment() -> None:
    index = FilterIndex(torch.tensor([[0, 1, 2], [0, 1, 4], [3, 0, 5]]), E, R)
    scores = torch.zeros(2, E)
    scores[index.tails(torch.tensor([0, 3]), torch.tensor([1, 0]))] = -torch.inf
    assert torch.isinf(scores).nonzero().tolist() == [[0, 2], [0, 4], [1, 5]]


def test_head_and_relation_are_not_mixed_up() -> None:
    # A key made by joining texts would confuse (1, 11) with (11, 1).
    index = FilterIndex(torch.tensor([[1, 11, 0], [11, 1, 2]]), 12, 12)
    assert index.tails(torch.tensor([1]), torch.tensor([11]))[1].tolist() == [0]
    assert index.tails(torch.tensor([11]), torch.tensor([1]))[1].tolist() == [2]


def test_bad_triples_are_refused() -> None:
    with pytest.raises(InputError, match=r"shape \[T, 3\]"):
        FilterIndex(torch.zeros(3, 2, dtype=torch.int64), E, R)
    with pytest.raises(InputError, match=r"a relation id lies outside 0 \.\. 2"):
        FilterIndex(torch.tensor([[0, 3, 1]]), E, R)
    with pytest.raises(InputError, match="a tail id"):
        FilterIndex(torch.tensor([[0, 0, -1]]), E, R)


@given(triples, triples)
def test_ids_too_large_for_one_number_are_sorted_as_well(
    known: list[tuple[int, int, int]], asked: list[tuple[int, int, int]]
) -> None:
    given_, queries = (torch.tensor(part, dtype=torch.int64).reshape(-1, 3) for part in (known, asked))
    small, large = FilterIndex(given_, E, R), FilterIndex(given_, 1 << 40, 1 << 20)
    for ask in ("tails", "heads"):
        columns = (0, 1) if ask == "tails" else (1, 2)
        for one, other in zip(
            *(getattr(index, ask)(*(queries[:, column] for column in columns)) for index in (small, large)), strict=True
        ):
            assert torch.equal(one, other)
    assert len(small) == len(large)
