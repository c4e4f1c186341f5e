"""Saved graphs, normal forms and class vectors that were damaged, or made to do harm, are refused in one line."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kgzsl import ClassGraph, ClassPriors, InputError
from kgzsl.knowledge.normal_forms import NormalForms


def a_graph(folder: Path) -> Path:
    path = folder / "a.graph"
    ClassGraph.from_triples(
        [("cat", "subClassOf", "animal"), ("dog", "subClassOf", "animal")],
        labels={"cat": "Cat"},
        texts={"dog": ["barks"]},
    ).save(path)
    return path


def some_forms(folder: Path) -> Path:
    (folder / "a.ttl").write_text("<urn:a> <http://www.w3.org/2000/01/rdf-schema#subClassOf> <urn:b> .")
    NormalForms.read(folder / "a.ttl").save(folder / "a.forms")
    return folder / "a.forms"


def some_vectors(folder: Path) -> Path:
    np.savez(folder / "a.npz", matrix=np.eye(2, dtype=np.float32), names=np.array(["cat", "dog"]))
    return folder / "a.npz"


KINDS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], object], str]] = {
    "graph": (a_graph, ClassGraph.load, "edge_index.npy"),
    "normal forms": (some_forms, NormalForms.load, "kinds.npy"),
    "class vectors": (some_vectors, ClassPriors.read, "matrix.npy"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_refused_or_harmless(kind: str, tmp_path: Path) -> None:
    make, load, _ = KINDS[kind]
    path = make(tmp_path)
    load(path)
    whole, chance = path.read_bytes(), random.Random(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(chance.choice([1, 2, 5])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged[: chance.randrange(len(whole))] if chance.random() < 0.2 else damaged)
        try:
            load(path)
        except InputError:
            refused += 1
    assert refused > 150


@pytest.mark.parametrize("kind", KINDS)
def test_an_array_that_claims_to_be_huge(kind: str, tmp_path: Path) -> None:
    make, load, member = KINDS[kind]
    path = make(tmp_path)
    header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (2, 1000000000000), }".ljust(117) + b"\n"
    claim = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\0" * 64
    replace(path, member, claim)
    with pytest.raises(InputError, match=r"said to be larger than it is|no file of normal forms"):
        load(path)


def test_a_zip_bomb(tmp_path: Path) -> None:
    make, load, member = KINDS["graph"]
    path = make(tmp_path)
    replace(path, member, bytes(260 * 2**20))
    with pytest.raises(InputError, match="looks like a zip bomb"):
        load(path)


def test_a_deep_header(tmp_path: Path) -> None:
    path = a_graph(tmp_path)
    replace(path, "kgzsl-class-graph.json", b"[" * 10**6)
    with pytest.raises(InputError, match="the saved graph is damaged"):
        ClassGraph.load(path)


def replace(path: Path, member: str, content: bytes) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
        assert member in old.namelist()
        for name in old.namelist():
            new.writestr(name, content if name == member else old.read(name))
    path.write_bytes(made.getvalue())
