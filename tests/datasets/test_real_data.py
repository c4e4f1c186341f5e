"""Published sizes of the public data sets (the READMEs beside the files), read in place."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgzsl import datasets

IMAGES = {  # rows, dimensions, classes, training, test seen, test unseen rows, unseen classes, validation classes
    "flo": (8189, 1280, 102, 5631, 1403, 1155, 20, 20),
    "awa1_handcrafted": (30475, 600, 50, 19832, 4958, 5685, 10, 13),
    "cifar100": (25000, 1280, 100, 15100, 4900, 5000, 20, 16),
    "miniimagenet": (25000, 1280, 100, 16000, 4000, 5000, 20, 16),
}
KG = {  # training, validation, test triples, entities, seen, validation, unseen relations
    "nell_zs": (181053, 1856, 5483, 65567, 139, 10, 32),
    "nell_ext_rel": (5269, 137, 12, None, 153, 0, 3),
    "nell_ext_both": (5269, 137, 115, None, 153, 0, 13),
    "nell_v1_ind": (4687, 101, 100, 3103 + 225, 14, 0, 0),
    "nell_v4_ind_v3_57": (7546, 393, 376, None, 76, 5, 35),
    "ingram_nl-75": (11058, 606, 607, 2607 + 1578, 96, None, None),
    "codex_s": (32888, 1827, 1828, 2034, None, 0, 0),
    "wn18rr": (86835, 3034, 3134, None, 11, 0, 0),
    "umls": (5216, 652, 661, 135, 46, 0, 0),
    # 14 countries and 56 predicates, 104 people and 25 terms (Kemp et al., AAAI 2006).
    # Read with the relation in the second column they would be 70 and 14, 129 and 104.
    "nations": (1619, 202, 203, 14, 56, 0, 0),
    "kinship": (8548, 1069, 1069, 104, 25, 0, 0),
}


@pytest.mark.parametrize("name", IMAGES)
def test_image_features_have_their_published_sizes(kgzsl_data: Path, name: str) -> None:
    rows, dim, classes, train, test_seen, test_unseen, unseen, validation = IMAGES[name]
    data = datasets.load(name, kgzsl_data)
    assert isinstance(data, datasets.ImageFeatures)
    assert data.features.shape == (rows, dim)
    assert data.num_classes == classes
    assert (len(data.trainval_loc), len(data.test_seen_loc), len(data.test_unseen_loc)) == (
        train,
        test_seen,
        test_unseen,
    )
    assert len(data.unseen) == unseen
    split = data.validation_split()
    assert len(split.features) == train
    assert len(split.unseen) == validation


@pytest.mark.parametrize("name", KG)
def test_knowledge_graphs_have_their_published_sizes(kgzsl_data: Path, name: str) -> None:
    kg = datasets.load(name, kgzsl_data)
    assert isinstance(kg, datasets.KGSplit)
    found = (
        len(kg.train),
        len(kg.valid),
        len(kg.test),
        kg.num_entities,
        len(kg.seen_relations),
        len(kg.valid_relations),
        len(kg.unseen_relations),
    )
    for have, want in zip(found, KG[name], strict=True):
        assert want is None or have == want


def test_the_published_candidate_rule_on_nell_zs(kgzsl_data: Path) -> None:
    kg = datasets.load("nell_zs", kgzsl_data)
    assert isinstance(kg, datasets.KGSplit)
    candidates = datasets.candidates_by_tail_type(kg)
    coaches = kg.relation("concept:leaguecoaches")
    types = {datasets.nell_type(kg.entities[i]) for i in candidates[coaches].tolist()}
    tails = kg.test[kg.test[:, 1] == coaches, 2].tolist()
    assert types == {datasets.nell_type(kg.entities[i]) for i in tails}
    assert set(tails) <= set(candidates[coaches].tolist())
    # Only relations are unseen in NELL-ZS: every entity occurs in training.
    assert kg.notes == ()


@pytest.mark.parametrize("name", ["umls", "wn18rr", "ingram_nl-75", "nell_ext", "codex_s"])
def test_files_have_their_published_checksums(kgzsl_data: Path, name: str) -> None:
    found = datasets.check(name, kgzsl_data)
    assert found.in_order, found.problems
    published = {file.path.name.removesuffix(".gz") for file in found.files if file.verdict == "published"}
    assert {"train.txt", "valid.txt"} <= published
