from __future__ import annotations

from typing import Any

import pytest
import torch

from kgzsl.datasets import KGSplit, candidates_by_tail_type, nell_type
from kgzsl.errors import InputError

TRAIN = [("a", "likes", "b"), ("b", "likes", "c"), ("a", "knows", "c"), ("c", "pays", "a")]
VALID = [("c", "hires", "b")]
TEST = [("a", "teaches", "c"), ("b", "teaches", "a")]


def split(**options: Any) -> KGSplit:
    return KGSplit.from_names(TRAIN, VALID, TEST, **options)


def test_ids_follow_first_appearance_and_relations_take_sides() -> None:
    kg = split()
    assert kg.entities == ("a", "b", "c")
    assert kg.relations == ("likes", "knows", "pays", "hires", "teaches")
    assert kg.train.tolist() == [[0, 0, 1], [1, 0, 2], [0, 1, 2], [2, 2, 0]]
    assert kg.names_of(kg.seen_relations) == ["likes", "knows", "pays"]
    assert kg.names_of(kg.valid_relations) == ["hires"]
    assert kg.names_of(kg.unseen_relations) == ["teaches"]
    assert (kg.entity("c"), kg.relation("teaches")) == (2, 4)
    assert "3 seen, 1 validation, 1 unseen" in repr(kg)


def test_given_id_maps_win() -> None:
    kg = split(entities=["z", "c", "b", "a"], relations=["teaches"])
    assert kg.entities == ("z", "c", "b", "a")
    assert kg.relations[0] == "teaches"
    assert kg.train[0].tolist() == [3, 1, 2]


def test_the_filter_knows_every_split() -> None:
    kg = split(support=[("c", "teaches", "b")])
    rows, tails = kg.filter.tails(torch.tensor([0, 2]), torch.tensor([4, 4]))
    assert list(zip(rows.tolist(), tails.tolist(), strict=True)) == [(0, 2), (1, 1)]
    assert kg.filter is kg.filter


def test_an_unseen_relation_in_training_is_refused() -> None:
    with pytest.raises(InputError, match=r"'likes' is in seen_relations and in unseen_relations|training triple"):
        split(unseen_relations=["likes", "teaches"])
    with pytest.raises(InputError, match=r"train, row 0: 1 training triple\(s\) are of unseen relations.*'r'"):
        KGSplit(("a", "b"), ("r",), torch.tensor([[0, 0, 1]]), [], [], seen_relations=[], unseen_relations=[0])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": [[0, 0, 9]]}, r"train, row 0: the tail id 9 is out of range: there are 2"),
        ({"train": [[0, 1, 1]]}, r"the relation id 1 is out of range"),
        ({"train": [[0, 0]]}, r"train: the shape is \(1, 2\)"),
        ({"entities": ("a", "a")}, r"entities: 'a' is listed more than once"),
        ({"unseen_relations": [5]}, r"unseen_relations: \[5\] are not all ids of the 1 relations"),
        ({"candidates": {0: torch.tensor([7])}}, r"candidates: candidates of 'r' hold ids outside 0 \.\. 1"),
        ({"candidates": {3: torch.tensor([0])}}, r"candidates: 3 is no relation id"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, Any], message: str) -> None:
    values: dict[str, Any] = {
        "entities": ("a", "b"),
        "relations": ("r",),
        "train": [[0, 0, 1]],
        "valid": [],
        "test": [],
        "name": "toy",
    }
    with pytest.raises(InputError, match=message):
        KGSplit(**(values | changes))


def test_repetitions_and_strangers_are_told() -> None:
    kg = KGSplit.from_names(
        [*TRAIN, TRAIN[0], TRAIN[0]], [], [*TEST, TRAIN[1], ("x", "teaches", "a"), ("x", "teaches", "y")]
    )
    told = "\n".join(kg.notes)
    assert "2 of 6 train triples are repetitions within train" in told
    assert "1 triples of test are in train too" in told
    assert "2 of 5 test triples use 2 entities that are in no training triple" in told
    assert split().notes == ()


def test_names_that_no_triple_uses_are_told() -> None:
    kg = KGSplit.from_names(TRAIN, [], TEST, entities=["nobody", "nowhere"], relations=["idles"])
    told = "\n".join(kg.notes)
    assert "2 entities are listed and occur in no triple; they stay candidates" in told
    assert "nobody, nowhere" in told
    assert "1 relations are listed and occur in no triple: idles" in told
    assert kg.entities[:2] == ("nobody", "nowhere")


def test_candidates_that_lack_the_truth_or_the_relation_are_told() -> None:
    test = [*TEST, (TEST[0][0], "rules", TRAIN[0][2])]
    listed = {"teaches": ["b", "c"], "sings": ["a"]}  # a teaches c, b teaches a: the second answer is not listed
    told = "\n".join(KGSplit.from_names(TRAIN, [], test, candidates=listed).notes)
    assert "the true tail of 1 test triples is not among the candidates of its relation" in told
    assert "teaches (1)" in told
    assert "no candidates are listed for rules: all entities are candidates there" in told
    assert "candidates are listed for sings, which no triple uses; they were left out" in told
    whole = KGSplit.from_names(TRAIN, [], TEST, candidates={"teaches": ["a", "c"]})
    assert not any("candidates" in note for note in whole.notes)


def test_validation_relations_can_be_dealt_anew() -> None:
    kg = split().with_validation_relations(["likes"])
    assert kg.names_of(kg.valid_relations) == ["likes"]
    assert kg.names_of(kg.seen_relations) == ["knows", "pays", "hires"]
    assert len(kg.train) == 3
    assert len(kg.valid) == 2
    assert kg.test.tolist() == split().test.tolist()
    with pytest.raises(InputError, match="'teaches' is an unseen relation"):
        split().with_validation_relations(["teaches"])
    with pytest.raises(InputError, match="no relation of 'kg' is called 'like'; did you mean 'likes'"):
        split().with_validation_relations(["like"])
    with pytest.raises(InputError, match="no training triple would be left"):
        split().with_validation_relations(["likes", "knows", "pays", "hires"])


def test_validation_split_holds_no_test_triple_and_no_unseen_relation() -> None:
    part = split().validation_split()
    assert "teaches" not in part.relations
    assert part.names_of(part.unseen_relations) == ["hires"]
    assert [(part.entities[h], part.relations[r], part.entities[t]) for h, r, t in part.test.tolist()] == VALID
    assert [(part.entities[h], part.relations[r], part.entities[t]) for h, r, t in part.train.tolist()] == TRAIN
    assert not part.filter.contains(torch.tensor([[0, part.relation("hires"), 2]])).any()


def test_validation_split_draws_relations_where_none_are_held_out() -> None:
    kg = KGSplit.from_names(TRAIN, [], TEST)
    drawn = {
        tuple(kg.validation_split(seed=s, count=1).names_of(kg.validation_split(seed=s, count=1).unseen_relations))
        for s in range(20)
    }
    assert drawn == {("likes",), ("knows",), ("pays",)}


NELL = [("concept:city:rome", "r", "concept:country:italy"), ("concept:city:oslo", "q", "concept:river:po")]


def test_candidates_are_entities_of_the_types_of_tails() -> None:
    kg = KGSplit.from_names(NELL, [], [("concept:city:rome", "u", "concept:country:norway"), ("x", "u", "y")])

    def of(relation: str, **options: Any) -> list[str]:
        found = candidates_by_tail_type(kg, **options)[kg.relation(relation)]
        return [kg.entities[i] for i in found.tolist()]

    # y has no type: it adds no candidate, and is none.
    assert of("u") == ["concept:country:italy", "concept:country:norway"]
    assert of("q") == ["concept:river:po"]
    assert kg.relation("u") not in candidates_by_tail_type(kg, splits=("train",))
    assert of("u", type_of=lambda name: "thing") == list(kg.entities)
    assert of("u", type_of={"x": "t", "y": "t"}) == ["x", "y"]


@pytest.mark.parametrize(
    ("name", "kind"), [("concept:city:rome", "city"), ("concept_city_san_jose", "city"), ("rome", ""), ("a:b", "")]
)
def test_the_type_in_a_nell_name(name: str, kind: str) -> None:
    assert nell_type(name) == kind
