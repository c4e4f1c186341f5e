"""``kgzsl pack --hold-out``: from a file of one's own facts to an embedding that completes relations training shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

PREFIXES = """@prefix : <http://x/> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
:hasCity a owl:ObjectProperty . :liesIn a owl:ObjectProperty .
"""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """``facts.ttl``, and a recipe that completes ``packed`` by an embedding."""
    lines = [PREFIXES]
    for i in range(10):
        lines += [f":land{i} :hasCity :city{i}{j} . :city{i}{j} :liesIn :land{i} ; a :City ." for j in range(3)]
        lines += [f":land{i} :largest :city{i}0 ; :borders :land{(i + 1) % 10}, :land{(i + 2) % 10} ; a :Land ."]
    (tmp_path / "facts.ttl").write_text("\n".join(lines))
    recipe = {
        "task": "kg_completion",
        "dataset": str(tmp_path / "packed"),
        "ranker": {"name": "embedding", "model": "distmult", "dim": 8, "epochs": 3},
        "controls": ["popularity"],
        "protocol": {"seeds": 1},
        "train": {"device": "cpu"},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    return tmp_path


def test_from_turtle_to_proposals(kgzsl, world):
    packed = kgzsl("pack", world / "facts.ttl", "--hold-out", "0.1", "--out", world / "packed", "--json")
    assert packed.code == 0, packed.err
    told = json.loads(packed.out)
    assert (told["train"], told["valid"], told["test"]) == (72, 9, 9)
    assert told["unseen"] == []
    assert len(told["seen"]) == 4
    ran = kgzsl("run", world / "recipe.yaml", "--out", world / "run")
    assert ran.code == 0, ran.err
    assert "9 facts are held out for the test and 9 for validation" in ran.out
    assert "embedding knows nothing" not in ran.out
    done = kgzsl("complete", world / "run", "--relation", "hasCity", "--head", "land0", "--top", "3", "--json")
    assert done.code == 0, done.err
    assert "http://x/hasCity" in done.out
    shown = kgzsl("info", world / "packed")
    assert "train 72, valid 9, test 9" in shown.out


def test_seeds(kgzsl, world):
    for out, seed in (("a", 0), ("b", 0), ("c", 5)):
        pack = ("pack", world / "facts.ttl", "--hold-out", "0.1", "--seed", seed)
        assert kgzsl(*pack, "--out", world / out / "w").code == 0
    a, b, c = ((world / name / "w" / "test.tsv").read_text() for name in "abc")
    assert a == b != c


def test_refusals_name_both_ways(kgzsl, world):
    facts = world / "facts.ttl"
    kgzsl("run", world / "recipe.yaml", "--set", f"dataset={facts}", "-o", world / "no").refused(
        "facts do not say which relations are unseen; name them", f"kgzsl pack {facts} --hold-out 0.1"
    )
    kgzsl("pack", facts, "-o", world / "no").refused("--unseen-relations for facts, or --hold-out 0.1")
    assert not (world / "no").exists()
    assert kgzsl("pack", facts, "--hold-out", "0.1", "-o", world / "packed").code == 0
    changes = ("--set", "ranker=evidence", "--set", "priors=[text]", "--set", "controls=[chance]")
    kgzsl("run", world / "recipe.yaml", *changes, "-o", world / "no").refused(
        "no relation of this knowledge graph is unseen", "take ranker: embedding"
    )


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--hold-out", "0.5"), ("the share 0.5 does not lie above 0 and below 0.5", "try 0.1")),
        (("--hold-out", "-1"), ("the share -1.0 does not lie",)),
        (("--hold-out", "nan"), ("the share nan does not lie",)),
        (("--hold-out", "0.001"), ("0.001 of 90 facts is less than one", "such as 0.02")),
        (("--hold-out", "0.1", "--unseen-relations", "largest"), ("--hold-out deals single facts out",)),
        (("--hold-out", "0.1", "--valid-relations", "largest"), ("--hold-out deals single facts out",)),
        (("--hold-out", "0.1", "--labels", "y.csv"), ("--labels belongs to features",)),
        (("--hold-out", "0.1", "--test-fraction", "0.3"), ("--test-fraction belongs to features",)),
        (("--hold-out", "0.1", "--graph", "none.ttl"), ("there is no such ontology",)),
    ],
)
def test_what_is_refused_leaves_nothing(kgzsl, world, options, parts):
    before = sorted(world.iterdir())
    kgzsl("pack", world / "facts.ttl", "--out", world / "no", *options).refused(*parts)
    assert sorted(world.iterdir()) == before


def test_facts_of_which_none_can_be_spared(kgzsl, world):
    (world / "few.tsv").write_text("".join(f"a{i}\tr\tb{i}\n" for i in range(20)))
    kgzsl("pack", world / "few.tsv", "--hold-out", "0.1", "--out", world / "no").refused(
        "none of the 20 facts can be held out", "or name unseen relations"
    )
    kgzsl("pack", world / "none.tsv", "--hold-out", "0.1", "--out", world / "no").refused("there is no such file")
    assert not (world / "no").exists()
