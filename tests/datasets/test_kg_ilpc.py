"""The layout of the inductive link prediction challenge: two graphs, and what is asked about the second."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from kgzsl import datasets
from kgzsl.datasets import KGSplit
from kgzsl.datasets.kg_ilpc import read_ilpc_folder
from kgzsl.errors import InputError
from kgzsl.tasks.kg_completion.inductive import InductiveTask

from .conftest import write_lines

FILES = {
    "train": ["Q1\tP1\tQ2", "Q2\tP2\tQ3", "Q1\tP3\tQ3"],
    "inference": ["Q7\tP1\tQ8", "Q8\tP2\tQ9"],
    "inference_validation": ["Q7\tP2\tQ9"],
    "inference_test": ["Q9\tP1\tQ7", "Q8\tP1\tQ9"],
}


def ilpc(folder: Path, **changes: list[str] | None) -> Path:
    for name, lines in (FILES | changes).items():
        if lines is not None:
            write_lines(folder / f"{name}.txt", *lines)
    return folder


def named(kg: KGSplit, triples) -> list[str]:
    return ["\t".join((kg.entities[h], kg.relations[r], kg.entities[t])) for h, r, t in triples.tolist()]


def test_the_layout_is_recognised_and_read_as_inductive_sets_are(tmp_path: Path) -> None:
    kg = datasets.load(ilpc(tmp_path / "small"))
    assert isinstance(kg, KGSplit)
    assert kg.name == "small"
    for part, file in (
        (kg.train, "train"),
        (kg.support, "inference"),
        (kg.valid, "inference_validation"),
        (kg.test, "inference_test"),
    ):
        assert named(kg, part) == FILES[file]
    assert not len(kg.unseen_relations)  # only entities are unseen
    task = InductiveTask.inference(kg)
    assert sorted(task.entities) == ["Q7", "Q8", "Q9"]
    assert (len(task.facts), len(task.valid), len(task.test)) == (2, 1, 2)
    assert sorted(InductiveTask.training(kg).entities) == ["Q1", "Q2", "Q3"]
    # Only what is always so here is told: test entities are in no training triple.
    assert all("in no training triple" in note for note in kg.notes)


def test_it_goes_by_its_name_and_says_where_it_comes_from(tmp_path: Path) -> None:
    ilpc(tmp_path / "kg" / "ilpc" / "large")
    kg = datasets.load("ilpc_large", tmp_path)
    assert isinstance(kg, KGSplit)
    assert kg.name == "ilpc_large"
    with pytest.raises(InputError, match=r"looked for .*inference_test\.txt in .*ilpc/small"):
        datasets.load("ilpc_small", tmp_path)
    assert "github.com/pykeen/ilpc2022" in datasets.status("ilpc_small", tmp_path).remedy


def test_compressed_files_are_read(tmp_path: Path) -> None:
    ilpc(tmp_path, inference=None)
    with gzip.open(tmp_path / "inference.txt.gz", "wt") as file:
        file.write("\n".join(FILES["inference"]))
    assert len(read_ilpc_folder(tmp_path).support) == 2


@pytest.mark.parametrize("gone", list(FILES))
def test_a_missing_file_is_named(tmp_path: Path, gone: str) -> None:
    with pytest.raises(InputError, match=rf"{gone}\.txt is missing here; the layout of ILPC has train\.txt, inf"):
        datasets.load(ilpc(tmp_path, **{gone: None}))


def test_more_than_one_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"inference_validation\.txt and inference_test\.txt are missing here"):
        read_ilpc_folder(ilpc(tmp_path, inference_validation=None, inference_test=None))
    with pytest.raises(InputError, match="there is no such folder"):
        read_ilpc_folder(tmp_path / "none")


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"inference\.txt, line 2: 2 field\(s\)"):
        read_ilpc_folder(ilpc(tmp_path, inference=["Q7\tP1\tQ8", "Q7\tP1"]))


def test_entities_that_the_inference_graph_lacks_are_counted(tmp_path: Path) -> None:
    kg = read_ilpc_folder(ilpc(tmp_path, inference_test=["Q9\tP1\tQ70", "Q8\tP1\tQ70", "Q71\tP1\tQ1", "Q8\tP2\tQ7"]))
    told = "\n".join(kg.notes)
    assert "3 of 4 test triples use 2 entities that are neither in training nor in the graph given at test time" in told
    assert "1 of 4 test triples use 1 entities of the training graph that the inference graph lacks" in told
    # They are asked about all the same.
    assert len(InductiveTask.inference(kg).test) == 4


def test_what_the_challenge_rules_out_is_told(tmp_path: Path) -> None:
    kg = read_ilpc_folder(ilpc(tmp_path, inference=["Q1\tP1\tQ8", "Q8\tP9\tQ9", "Q7\tP2\tQ9"]))
    told = "\n".join(kg.notes)
    assert "1 of the 4 entities of the inference graph are in the training graph too, as 'Q1'" in told
    assert "1 of the 3 relations of the inference graph are in no training triple, as 'P9'" in told
