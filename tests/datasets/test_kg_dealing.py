"""Facts dealt out one by one: what validation and test ask, training shows, however the file is written."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgzsl import datasets
from kgzsl.datasets import KGSplit
from kgzsl.datasets.kg_dealing import deal
from kgzsl.datasets.kg_names import Triple
from kgzsl.errors import InputError

from .conftest import write_lines

NAMES = st.tuples(st.sampled_from("abcdefg"), st.sampled_from("rst"), st.sampled_from("abcdefg"))
RING = [(f"e{i}", f"r{i % 3}", f"e{(i + step) % 20}") for i in range(20) for step in (1, 2, 3)]


def used(facts: list[Triple]) -> set[tuple[str, str]]:
    return {pair for h, r, t in facts for pair in (("entity", h), ("relation", r), ("entity", t))}


def needed(fact: Triple, facts: list[Triple]) -> bool:
    return not used([fact]) <= used([other for other in facts if other != fact])


@given(facts=st.lists(NAMES, min_size=3), share=st.floats(0.01, 0.49), seed=st.integers(0, 3))
def test_training_shows_all_that_is_asked_about(facts: list[Triple], share: float, seed: int) -> None:
    count = round(share * len(set(facts)))
    try:
        train, valid, test = deal(facts, share, seed=seed)
    except InputError:
        # Refused where nothing is asked for, or every fact is needed.
        assert not count or all(needed(fact, facts) for fact in facts)
        return
    assert sorted(train + valid + test) == sorted(set(facts))  # each once
    assert used(valid) | used(test) <= used(train)
    assert 0 <= len(test) - len(valid) <= 1
    assert 1 <= len(test) <= count
    if len(test) + len(valid) < 2 * count:  # nothing that could be spared is left
        assert all(needed(fact, train) for fact in train)
    again = list(facts)
    random.Random(seed).shuffle(again)
    assert deal(again + facts, share, seed=seed) == (train, valid, test)


def test_seeds_differ_and_shares_are_kept() -> None:
    train, valid, test = deal(RING, 0.1)
    assert (len(train), len(valid), len(test)) == (48, 6, 6)
    assert deal(RING, 0.1, seed=1)[2] != test
    # A fact more moves few of the others.
    more = deal([*RING, ("e0", "r0", "new")], 0.1)[2]
    assert len({*more} ^ {*test}) <= 2


@pytest.mark.parametrize(
    ("facts", "share", "message"),
    [
        (RING, 0.0, "the share 0.0 does not lie above 0 and below 0.5; try 0.1"),
        (RING, 0.5, "the share 0.5 does not lie"),
        (RING, float("nan"), "the share nan does not lie"),
        (RING, "0.1", "the share '0.1' does not lie"),
        (RING, True, "the share True does not lie"),
        (RING[:4], 0.1, "0.1 of 4 facts is less than one; give more facts, or hold a larger share out, such as 0.25"),
        (RING[:2], 0.1, "0.1 of 2 facts is less than one; give more facts, three are the least"),
        ([], 0.1, "0.1 of 0 facts is less than one"),
        ([("a", f"r{i}", "b") for i in range(9)], 0.2, "none of the 9 facts can be held out: each is the only one"),
    ],
)
def test_what_cannot_be_dealt_is_refused(facts: list[Triple], share: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        deal(facts, share)


def written(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_the_order_of_lines_leaves_no_trace(tmp_path: Path) -> None:
    lines = ["\t".join(fact) for fact in RING] + [f"e{i}\trdf:type\t{kind}" for i in range(20) for kind in ("B", "A")]
    kg = datasets.pack_triples(write_lines(tmp_path / "a.tsv", *lines), tmp_path / "one" / "w", hold_out=0.1)
    other = write_lines(tmp_path / "b.tsv", *lines[::-1])
    datasets.pack_triples(other, tmp_path / "two" / "w", hold_out=0.1)
    assert written(tmp_path / "one" / "w") == written(tmp_path / "two" / "w")
    assert kg.types is not None
    assert kg.types["e3"] == ("A", "B")
    assert not any("type" in relation for relation in kg.relations)
    datasets.pack_triples(other, tmp_path / "three" / "w", hold_out=0.1, seed=1)
    assert written(tmp_path / "one" / "w") != written(tmp_path / "three" / "w")
    # What is packed can be dealt out anew, and is all there.
    again = datasets.pack_triples(tmp_path / "three" / "w", tmp_path / "four" / "w", hold_out=0.1)
    assert again.test.tolist() == kg.test.tolist()
    assert again.types == kg.types


def test_what_is_held_out_is_told_and_read_back(tmp_path: Path) -> None:
    needed_ones = [(f"x{i}", "r0", f"y{i}") for i in range(20)]
    file = write_lines(tmp_path / "w.tsv", *("\t".join(fact) for fact in [*RING, RING[0], *needed_ones]))
    kg = datasets.pack_triples(file, tmp_path / "w", hold_out=0.4, seed=3)
    back = datasets.load(tmp_path / "w")
    assert isinstance(back, KGSplit)
    assert (back.entities, back.relations, back.notes) == (kg.entities, kg.relations, kg.notes)
    assert [part.tolist() for part in (back.train, back.valid, back.test)] == [
        part.tolist() for part in (kg.train, kg.valid, kg.test)
    ]
    assert len(kg.unseen_relations) == len(kg.valid_relations) == 0
    told = "\n".join(kg.notes)
    assert "1 of 81 facts are repetitions; each counts once" in told
    assert f"{len(kg.test)} facts are held out for the test and {len(kg.valid)} for validation" in told
    assert "(share 0.4 each, seed 3)" in told
    # Beside the 20 facts of two entities each, the ring needs 10 at least.
    assert len(kg.test) + len(kg.valid) <= 50
    assert "the share would be 32 facts for each; without any other, training would lack an entity" in told


def test_some_relations_alone(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "w.tsv", *("\t".join(fact) for fact in RING))
    kg = datasets.pack_triples(file, tmp_path / "w", hold_out=0.1, relations="r0,r1")
    assert sorted(kg.relations) == ["r0", "r1"]
    with pytest.raises(InputError, match="uses the relation 'q'"):
        datasets.pack_triples(file, tmp_path / "v", hold_out=0.1, relations=["q"])


@pytest.mark.parametrize("options", [{"unseen_relations": ["r0"]}, {"valid_relations": ["r0"]}])
def test_relations_and_facts_are_not_both_held_out(tmp_path: Path, options: dict[str, list[str]]) -> None:
    file = write_lines(tmp_path / "w.tsv", *("\t".join(fact) for fact in RING))
    with pytest.raises(InputError, match="either relations are held out or single facts"):
        datasets.pack_triples(file, tmp_path / "w", hold_out=0.1, **options)  # type: ignore[arg-type]
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("again", [False, True])
def test_the_schema_of_rdf_lacks_the_facts_that_are_held_out(tmp_path: Path, again: bool) -> None:
    text = "".join("<http://x/{}> <http://x/{}> <http://x/{}> .\n".format(*fact) for fact in RING)
    first = RING[0]
    # A literal that is written as an entity is called is no fact, and stays.
    text += f'<http://x/{first[0]}> <http://x/{first[1]}> "http://x/{first[2]}" .\n'
    source = write_lines(tmp_path / "w.ttl", text)
    kg = datasets.pack_triples(source, tmp_path / "w", hold_out=0.2)
    if again:
        kg = datasets.pack_triples(tmp_path / "w", tmp_path / "w", hold_out=0.2, seed=7, replace=True)
    schema = (tmp_path / "w" / "schema.nt").read_text()
    for part, there in (("train", True), ("valid", False), ("test", False)):
        for h, r, t in getattr(kg, part).tolist():
            line = f"<{kg.entities[h]}> <{kg.relations[r]}> <{kg.entities[t]}> ."
            if not (again and there):  # what was held out before is in no schema any more
                assert (line in schema) == there
    assert f'"http://x/{first[2]}"' in schema
