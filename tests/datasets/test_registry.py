from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgzsl import datasets
from kgzsl.errors import InputError

from .conftest import write_lines, write_v5, xlsa17_parts


def test_names_are_listed_embedded_ones_first() -> None:
    names = datasets.names()
    assert names[:3] == ["latin_characters", "latin_compositions", "geography"]
    assert {"flo", "nell_zs", "AWA2", "CUB", "umls", "ingram_nl-75"} <= set(names)


def test_unknown_names_give_the_nearest() -> None:
    with pytest.raises(
        InputError, match="'nel_zs' is neither a known data set nor a file or folder; did you mean 'nell_zs'"
    ):
        datasets.load("nel_zs")
    with pytest.raises(InputError, match=r"no option 'images_per_clas'; did you mean 'images_per_class'"):
        datasets.load("latin_characters", images_per_clas=3)


def test_absent_data_say_where_they_were_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"'flo'.*is not there: looked for .*images/flo\.npz or .*set KGZSL_DATA"):
        datasets.load("flo", tmp_path)
    with pytest.raises(InputError, match=r"looked for res101\.mat and att_splits\.mat in .*xlsa17/data/AWA2"):
        datasets.load("AWA2", tmp_path)
    monkeypatch.setenv("KGZSL_DATA", str(tmp_path))
    assert datasets.data_dir() == tmp_path
    with pytest.raises(InputError, match=str(tmp_path / "kg" / "umls")):
        datasets.load("umls")
    monkeypatch.delenv("KGZSL_DATA")
    assert datasets.data_dir().name == "kgzsl"


def test_named_data_are_found_with_their_graph(tmp_path: Path, toy: dict[str, Any]) -> None:
    features, splits = xlsa17_parts(toy)
    folder = tmp_path / "xlsa17" / "data" / "AWA2"
    folder.mkdir(parents=True)
    write_v5(folder / "res101.mat", features)
    write_v5(folder / "att_splits.mat", splits)
    graph = write_lines(tmp_path / "kg" / "awa" / "KG-AwA.ttl", "")
    data = datasets.load("AWA2", tmp_path)
    assert isinstance(data, datasets.ImageFeatures)
    assert (data.name, data.graph_source) == ("AWA2", str(graph))
    with pytest.raises(InputError, match="images_per_class is 'five'"):
        datasets.load("latin_characters", images_per_class="five")
    with pytest.raises(InputError, match="has no option 'fold'"):
        datasets.load("AWA2", tmp_path, fold="one")


def test_paths_are_read_by_what_they_hold(tmp_path: Path, toy: dict[str, Any]) -> None:
    np.savez(tmp_path / "toy.npz", **toy)
    assert isinstance(datasets.load(tmp_path / "toy.npz"), datasets.ImageFeatures)
    for part, line in (("train", "a\tr\tb"), ("test", "b\tu\ta")):
        write_lines(tmp_path / "kg" / f"{part}.txt", line)
    kg = datasets.load(str(tmp_path / "kg"))
    assert isinstance(kg, datasets.KGSplit)
    with pytest.raises(InputError, match=r"kg/train\.txt: facts do not say which relations are unseen"):
        datasets.load(tmp_path / "kg" / "train.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="do not know how to read this folder"):
        datasets.load(tmp_path / "empty")


def test_shipped_ontologies_are_found() -> None:
    assert datasets.ontology_path("latin_characters").read_text(encoding="utf-8").startswith("# Latin letters")
    assert datasets.ontology_path("latin_characters.ttl") == datasets.ontology_path("latin_characters")
    with pytest.raises(InputError, match="did you mean 'latin_characters'"):
        datasets.ontology_path("latin_character")


FACTS = """@prefix : <http://e.org/> .
:a :likes :b . :b :likes :c . :a :knows :b . :c :knows :a .
"""


def test_a_file_of_facts_is_a_data_set_once_it_is_said_what_is_unseen(tmp_path) -> None:
    (tmp_path / "facts.ttl").write_text(FACTS)
    kg = datasets.load(tmp_path / "facts.ttl", unseen_relations=["knows"])
    assert len(kg.train) == 2
    assert len(kg.test) == 2
    with pytest.raises(InputError, match="which relations are unseen"):
        datasets.load(tmp_path / "facts.ttl")


def write_tables(folder: Path, files: dict[str, str], *, zipped: bool = False) -> None:
    """Tables of triples by name, ``.txt`` or ``.txt.gz``."""
    for name, text in files.items():
        file = folder / f"{name}.txt{'.gz' * zipped}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.compress(text.encode()) if zipped else text.encode())


def test_fb_ext_is_read_in_the_layout_of_nell_ext(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kgzsl.benchmarks.kgc_cell import _asked, measure
    from kgzsl.datasets import KGSplit, load

    files = {
        "train": "/m/a /film/actor /m/b\n/m/b /film/genre /m/c\n",
        "valid": "/m/a /film/genre /m/c\n",
        "ind/train": "/m/x /film/actor /m/b\n/m/x /tv/host /m/y\n",
        "ind/test1": "/m/x /film/genre /m/c\n",
        "ind/test2": "/m/a /tv/host /m/b\n",
        "ind/test3": "/m/y /tv/host /m/x\n/m/y /tv/maker /m/x\n",
    }
    write_tables(tmp_path / "kg" / "fb_ext", files)
    seen = {}
    for kind in ("ent", "rel", "both"):
        kg = load(f"fb_ext_{kind}", data_dir=tmp_path)
        assert isinstance(kg, KGSplit)
        seen[kind] = (len(kg.test), kg.names_of(kg.unseen_relations))
        assert len(kg.support) == 2
        task = _asked(kg, {"dataset": f"fb_ext_{kind}"})
        assert len(task.facts) == 4  # the training graph and the one given at test time
        assert len(task.test) == len(kg.test)
        given = _asked(kg, {"dataset": f"fb_ext_{kind}@49"})
        assert len(given.facts) == 2
    monkeypatch.setenv("KGZSL_DATA", str(tmp_path))
    for dataset in ("fb_ext_both", "fb_ext_both@49"):
        found = measure({"dataset": dataset, "method": "popularity", "seed": 0})["figures"]
        assert set(found) == {"popularity", "chance"}
        assert 0 < found["popularity"]["mrr"] <= 1
    assert 0 < found["popularity"]["auc_pr"] <= 1
    assert seen == {"ent": (1, []), "rel": (1, ["/tv/host"]), "both": (2, ["/tv/host", "/tv/maker"])}


def test_nell_995_is_read_from_the_graph_to_train_on_and_the_one_that_is_asked(tmp_path: Path) -> None:
    from kgzsl.datasets import KGSplit, load
    from kgzsl.tasks.kg_completion.inductive import InductiveTask

    files = {
        "nell_v1/train": "a r b\nb r c\n",
        "nell_v1/test": "a r c\n",
        "nell_v1_ind/train": "x r y\n",
        "nell_v1_ind/valid": "x r z\ny r x\n",
        "nell_v1_ind/test": "y r y\n",
    }
    write_tables(tmp_path / "kg" / "nell_rmpi", files, zipped=True)
    kg = load("nell_v1_ind", data_dir=tmp_path)
    assert isinstance(kg, KGSplit)
    assert (len(kg.train), len(kg.support), len(kg.valid), len(kg.test)) == (2, 1, 2, 1)
    task = InductiveTask.asked(kg)
    # z is in no fact and no test triple: its validation triple is left out.
    assert (task.entities, len(task.facts), len(task.valid), len(task.test)) == (("x", "y"), 1, 1, 1)
    with pytest.raises(InputError, match=r"nell_v2_ind_v3_fully/train\.txt\.gz"):
        load("nell_v2_ind_v3_fully", data_dir=tmp_path)
