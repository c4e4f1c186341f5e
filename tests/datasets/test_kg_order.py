"""A split numbered by name: the same facts, whatever order they came in."""

from __future__ import annotations

from dataclasses import replace

import torch

from kgzsl.datasets import KGSplit

TRAIN = [("b", "likes", "a"), ("a", "likes", "c"), ("b", "likes", "a"), ("c", "knows", "b"), ("a", "adores", "b")]
VALID = [("c", "hires", "b")]
TEST = [("b", "teaches", "a"), ("a", "teaches", "c")]
SUPPORT = [("d", "knows", "a")]
CANDIDATES = {"teaches": ["c", "a"], "hires": ["b"]}
TYPES = {"c": ("person",), "a": ("place", "city")}


def split(turned: bool = False) -> KGSplit:
    def order(values):
        return values[::-1] if turned else values

    kg = KGSplit.from_names(
        order(TRAIN), VALID, order(TEST), support=SUPPORT, name="small", notes=["told"],
        candidates=dict(order([*CANDIDATES.items()])), valid_relations=["hires"],
    )  # fmt: skip
    return replace(kg, types={name: tuple(order(kinds)) for name, kinds in order([*TYPES.items()])})


def named(kg: KGSplit, triples: torch.Tensor) -> list[tuple[str, str, str]]:
    return [(kg.entities[h], kg.relations[r], kg.entities[t]) for h, r, t in triples.tolist()]


def test_everything_is_sorted_and_nothing_is_lost() -> None:
    kg = split()
    found = kg.in_name_order()
    assert found.entities == ("a", "b", "c", "d")
    assert found.relations == ("adores", "hires", "knows", "likes", "teaches")
    # By relation, head and tail; a repeated fact stays repeated.
    assert named(found, found.train) == [
        ("a", "adores", "b"), ("c", "knows", "b"), ("a", "likes", "c"), ("b", "likes", "a"), ("b", "likes", "a"),
    ]  # fmt: skip
    assert named(found, found.test) == [("a", "teaches", "c"), ("b", "teaches", "a")]
    assert named(found, found.valid) == VALID
    assert named(found, found.support) == SUPPORT
    assert found.names_of(found.seen_relations) == ["adores", "knows", "likes"]
    assert found.names_of(found.valid_relations) == ["hires"]
    assert found.names_of(found.unseen_relations) == ["teaches"]
    told = {found.relations[r]: [found.entities[i] for i in ids] for r, ids in (found.candidates or {}).items()}
    assert told == {"teaches": ["a", "c"], "hires": ["b"]}
    assert found.types == {"a": ("city", "place"), "c": ("person",)}
    assert found.notes == kg.notes
    assert found.name == "small"
    assert kg.entities == ("b", "a", "c", "d"), "the split that is asked stays what it is"


def test_the_order_of_the_source_leaves_no_trace() -> None:
    one, other = split().in_name_order(), split(turned=True).in_name_order()
    assert split().entities != split(turned=True).entities
    assert (one.entities, one.relations) == (other.entities, other.relations)
    for part in ("train", "valid", "test", "support", "seen_relations", "unseen_relations", "valid_relations"):
        assert torch.equal(getattr(one, part), getattr(other, part)), part
    assert list((one.candidates or {}).keys()) == list((other.candidates or {}).keys())
    assert list((one.types or {}).items()) == list((other.types or {}).items())
    again = one.in_name_order()
    assert again.entities == one.entities
    assert torch.equal(again.train, one.train)


def test_the_filter_goes_by_the_new_numbers() -> None:
    kg, found = split(), split().in_name_order()
    old = kg.filter.tails(torch.tensor([kg.entity("b")]), torch.tensor([kg.relation("likes")]))
    new = found.filter.tails(torch.tensor([found.entity("b")]), torch.tensor([found.relation("likes")]))
    assert [kg.entities[i] for i in old[1].tolist()] == [found.entities[i] for i in new[1].tolist()] == ["a"]
