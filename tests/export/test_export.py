"""What is exported reads back, in the program it is for where that is here, to the same numbers."""

from __future__ import annotations

import json
from pathlib import Path

import networkx
import numpy as np
import pytest
import rdflib
import scipy.io
from safetensors import safe_open

from kgzsl import ZeroShotClassifier
from kgzsl.errors import InputError
from kgzsl.export import export, linear_head
from kgzsl.export.onnx_head import write_onnx
from kgzsl.knowledge import ClassGraph, ClassPriors

NAMES = ("plains zebra", "horse", "tiger", "okapi")


@pytest.fixture
def priors(tmp_path: Path) -> tuple[ClassPriors, Path]:
    matrix = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    made = ClassPriors(NAMES, matrix, made={"columns": ["stripes", "hooves", "fur"]})
    made.save(tmp_path / "p.safetensors")
    return made, tmp_path / "p.safetensors"


@pytest.fixture
def graph(tmp_path: Path) -> tuple[ClassGraph, Path]:
    triples = [
        ("http://e.org/zebra", "http://www.w3.org/2000/01/rdf-schema#subClassOf", "http://e.org/equine"),
        ("http://e.org/zebra", "http://e.org/has", "http://e.org/stripes"),
    ]
    made = ClassGraph.from_triples(triples, texts={"http://e.org/zebra": ["a\tstriped\nhorse"]})
    made.save(tmp_path / "g.graph")
    return made, tmp_path / "g.graph"


def fitted(classifier: str, **options: object) -> tuple[ZeroShotClassifier, np.ndarray]:
    random = np.random.default_rng(0)
    prior = random.normal(size=(4, 3)).astype(np.float32)
    y = np.repeat(np.arange(3), 20)
    x = (prior[y] @ random.normal(size=(3, 5)) + 0.1 * random.normal(size=(60, 5))).astype(np.float32)
    model = ZeroShotClassifier(generator=None, classifier=classifier, unseen_bias=0.25, **options)
    model.fit(x, np.array(NAMES)[y], ClassPriors(NAMES, prior))
    return model, random.normal(size=(7, 5)).astype(np.float32)


def test_npz_and_mat_hold_the_same_vectors(priors, tmp_path: Path) -> None:
    made, file = priors
    export(file, "npz", tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz", allow_pickle=False) as read:
        assert read["names"].tolist() == list(NAMES)
        assert read["columns"].tolist() == ["stripes", "hooves", "fur"]
        np.testing.assert_array_equal(read["vectors"], made.matrix)
    export(file, "mat", tmp_path / "p.mat")
    read = scipy.io.loadmat(tmp_path / "p.mat")
    np.testing.assert_allclose(read["att"].T, made.matrix)  # xlsa17 has one column a class
    assert [str(cell[0]) for cell in read["allclasses_names"][:, 0]] == list(NAMES)


def test_word2vec_text_reads_back_bit_by_bit(priors, tmp_path: Path) -> None:
    made, file = priors
    export(file, "word2vec", tmp_path / "p.txt")
    head, *lines = (tmp_path / "p.txt").read_text().splitlines()
    assert head == "4 3"
    assert [line.split(" ")[0] for line in lines] == ["plains_zebra", "horse", "tiger", "okapi"]
    read = np.array([line.split(" ")[1:] for line in lines], dtype=np.float32)
    np.testing.assert_array_equal(read, made.matrix)


def test_word2vec_refuses_names_that_fall_together(tmp_path: Path) -> None:
    ClassPriors(("a b", "a_b"), np.eye(2, dtype=np.float32)).save(tmp_path / "p.safetensors")
    with pytest.raises(InputError, match="a_b"):
        export(tmp_path / "p.safetensors", "word2vec", tmp_path / "p.txt")
    assert not (tmp_path / "p.txt").exists()


@pytest.mark.parametrize(("to", "name"), [("turtle", "turtle"), ("ntriples", "nt")])
def test_rdf_holds_every_edge(graph, tmp_path: Path, to: str, name: str) -> None:
    made, file = graph
    export(file, to, tmp_path / "g.out")
    read = rdflib.Graph().parse(tmp_path / "g.out", format=name)
    for head, kind, tail in zip(made.edge_index[0], made.edge_type, made.edge_index[1], strict=True):
        triple = (made.iris[head], made.relations[kind], made.iris[tail])
        assert tuple(map(rdflib.URIRef, triple)) in read


def test_pykeen_tables_have_three_columns_and_no_header(graph, tmp_path: Path) -> None:
    _, file = graph
    export(file, "pykeen", tmp_path / "pykeen")
    rows = [line.split("\t") for line in (tmp_path / "pykeen" / "triples.tsv").read_text().splitlines()]
    assert sorted(rows) == sorted(
        [
            ["http://e.org/zebra", "http://www.w3.org/2000/01/rdf-schema#subClassOf", "http://e.org/equine"],
            ["http://e.org/zebra", "http://e.org/has", "http://e.org/stripes"],
        ]
    )
    labels = dict(line.split("\t") for line in (tmp_path / "pykeen" / "labels.tsv").read_text().splitlines())
    assert set(labels) == {"http://e.org/zebra", "http://e.org/equine", "http://e.org/stripes"}
    with pytest.raises(InputError, match="there already"):
        export(file, "pykeen", tmp_path / "pykeen")


def test_graphml_opens_in_networkx(graph, tmp_path: Path) -> None:
    _, file = graph
    export(file, "graphml", tmp_path / "g.graphml")
    read = networkx.read_graphml(tmp_path / "g.graphml")
    assert read.number_of_nodes() == 3
    assert {values["relation"] for _, _, values in read.edges(data=True)} == {
        "http://www.w3.org/2000/01/rdf-schema#subClassOf",
        "http://e.org/has",
    }


def test_tensors_for_pyg_are_the_graph(graph, tmp_path: Path) -> None:
    made, file = graph
    export(file, "pyg", tmp_path / "g.safetensors")
    with safe_open(tmp_path / "g.safetensors", "np") as read:
        np.testing.assert_array_equal(read.get_tensor("edge_index"), made.edge_index)
        np.testing.assert_array_equal(read.get_tensor("edge_type"), made.edge_type)
        assert json.loads(read.metadata()["iris"]) == list(made.iris)


@pytest.mark.parametrize("classifier", ["eszsl", "sae"])
def test_a_linear_head_gives_the_scores_of_the_classifier(classifier: str) -> None:
    model, x = fitted(classifier)
    head = linear_head(model)
    assert head.classes == NAMES
    assert head.seen == (True, True, True, False)
    np.testing.assert_allclose(head.scores(x), model.decision_function(x), rtol=1e-4, atol=1e-5)


def test_onnx_gives_the_scores_of_the_classifier(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    model, x = fitted("eszsl")
    write_onnx(linear_head(model), tmp_path / "head.onnx")
    session = runtime.InferenceSession(tmp_path / "head.onnx", providers=["CPUExecutionProvider"])
    scores, shares = session.run(None, {"features": x})
    np.testing.assert_allclose(scores, model.decision_function(x), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(shares, model.predict_proba(x), rtol=1e-3, atol=1e-5)
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == list(NAMES)


def test_what_is_not_linear_is_refused() -> None:
    model, _ = fitted("conse")
    with pytest.raises(InputError, match="not linear"):
        linear_head(model)
    with pytest.raises(InputError, match="unseen_bias is inf"):
        linear_head(fitted("eszsl")[0].set_params(unseen_bias=np.inf))


def test_tensorboard_shows_what_was_logged(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from kgzsl.export.tensorboard import write_history

    rows = [
        {"seed": 0, "stage": "train", "step": 10, "critic": 1.5},
        {"seed": 0, "stage": "train", "step": 20, "critic": 0.5, "note": "x"},
        {"seed": 1, "stage": "train", "step": 10, "critic": 2.5},
    ]
    assert write_history(rows, tmp_path / "tb") == 3
    read = EventAccumulator(str(tmp_path / "tb" / "seed0" / "train"))
    read.Reload()
    assert [(one.step, one.value) for one in read.Scalars("critic")] == [(10, 1.5), (20, 0.5)]
    with pytest.raises(InputError, match="there already"):
        write_history(rows, tmp_path / "tb")


def test_unknown_formats_and_sources_are_told(priors, tmp_path: Path) -> None:
    _, file = priors
    with pytest.raises(InputError, match="onnx"):
        export(file, "onxx", tmp_path / "x")
    with pytest.raises(InputError, match="does not exist"):
        export(tmp_path / "none", "npz", tmp_path / "x")
    with pytest.raises(InputError, match="only a run"):
        export(file, "onnx", tmp_path / "x")


def test_a_graph_comes_back_into_networkx(graph, tmp_path: Path) -> None:
    made, file = graph
    export(file, "networkx", tmp_path / "g.json")
    read = networkx.node_link_graph(json.loads((tmp_path / "g.json").read_text()), edges="edges")
    expected = made.to_networkx()
    assert dict(read.nodes(data="label")) == dict(expected.nodes(data="label"))
    assert sorted(read.edges(data="relation")) == sorted(expected.edges(data="relation"))


def test_a_data_set_goes_to_the_xlsa17_layout(tmp_path: Path) -> None:
    from kgzsl.datasets import ImageFeatures, load

    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    data = ImageFeatures.from_arrays(x, np.repeat(NAMES, 10), unseen=["okapi"])
    data.save(tmp_path / "zoo")
    with pytest.raises(InputError, match="ships no class vectors"):
        export(tmp_path / "zoo", "xlsa17", tmp_path / "mat")
    vectors = ClassPriors(NAMES, np.random.default_rng(1).normal(size=(4, 2)).astype(np.float32))
    vectors.save(tmp_path / "p.safetensors")
    done = export(tmp_path / "zoo", "xlsa17", tmp_path / "mat", priors=tmp_path / "p.safetensors")
    assert (done["rows"], done["classes"]) == (40, 4)
    read = load(tmp_path / "mat")
    np.testing.assert_array_equal(read.features.numpy(), x)
    assert read.unseen_names == ["okapi"]
    np.testing.assert_allclose(read.priors["att"].align(NAMES).matrix, vectors.matrix, atol=1e-6)
    with pytest.raises(InputError, match="is a knowledge graph"):
        export("geography", "xlsa17", tmp_path / "kg")
    with pytest.raises(InputError, match="takes no class vectors"):
        export(tmp_path / "p.safetensors", "npz", tmp_path / "p.npz", priors=tmp_path / "p.safetensors")
