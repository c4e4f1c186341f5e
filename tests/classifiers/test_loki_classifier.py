"""Loki around a classifier of the user's, over a class graph."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from kgzsl.classifiers import LokiClassifier, SoftmaxClassifier
from kgzsl.classifiers._graph_rows import hop_rows
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors

TREE = [
    ("cat", "subClassOf", "feline"),
    ("lion", "subClassOf", "feline"),
    ("dog", "subClassOf", "canine"),
    ("wolf", "subClassOf", "canine"),
    ("feline", "subClassOf", "carnivore"),
    ("canine", "subClassOf", "carnivore"),
    ("rock", "subClassOf", "mineral"),
    ("cat", "disjointWith", "dog"),
]
SEEN = ["cat", "lion", "dog", "wolf"]


@pytest.fixture
def graph() -> ClassGraph:
    return ClassGraph.from_triples(TREE)


def samples(seed: int, noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(4), 20)
    return np.eye(4)[labels] * 3 + noise * generator.normal(size=(80, 4)), np.array(SEEN)[labels]


def test_sure_answers_stay_and_torn_ones_move_up_the_tree(graph) -> None:
    features, labels = samples(0)
    model = LokiClassifier(SoftmaxClassifier(lr=0.1, epochs=60), graph).fit(features, labels)
    assert set(model.classes_) == {node for triple in TREE for node in (triple[0], triple[2])}
    sure = 30 * np.eye(4)
    torn = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1]]) * 2.0
    assert model.predict(sure).tolist() == SEEN
    assert model.predict(torn).tolist() == ["feline", "canine", "carnivore"]
    assert set(SoftmaxClassifier().fit(features, labels).predict(torn)) <= set(SEEN)  # the argmax never leaves them


def test_sure_answers_equal_the_argmax_among_the_observed(graph) -> None:
    features, labels = samples(1)
    inner = SoftmaxClassifier(lr=0.1, epochs=60).fit(features, labels)
    model = LokiClassifier(inner, graph, classes=SEEN)
    assert (model.predict(features) == inner.predict(features)).mean() > 0.95


def test_a_fitted_model_of_scikit_learn_and_a_torch_module_agree(graph) -> None:
    features, labels = samples(2)
    theirs = LogisticRegression().fit(features, labels)
    module = torch.nn.Linear(4, 4).train()
    with torch.no_grad():
        module.weight.copy_(torch.as_tensor(theirs.coef_))
        module.bias.copy_(torch.as_tensor(theirs.intercept_))
    first = LokiClassifier(theirs, graph)
    second = LokiClassifier(module, graph, observed=theirs.classes_)
    torch.testing.assert_close(
        first.decision_function(features), second.decision_function(features), atol=1e-4, rtol=1e-4
    )
    assert module.training
    assert first.predict(features).tolist() == second.predict(features).tolist()


def test_candidates(graph) -> None:
    features, labels = samples(3, noise=1.5)
    model = LokiClassifier("softmax", graph).fit(features, labels)
    assert set(model.predict(features, "unseen")).isdisjoint(SEEN)
    assert set(model.predict(features, "seen")) <= set(SEEN)
    assert set(model.predict(features, ["mineral", "canine"])) == {"canine"}
    whole = model.decision_function(features)
    columns = [model.classes_.tolist().index(name) for name in ("mineral", "canine")]
    torch.testing.assert_close(model.decision_function(features, ["mineral", "canine"]), whole[:, columns])


def test_a_class_added_later(graph) -> None:
    features, labels = samples(4)
    model = LokiClassifier(SoftmaxClassifier(lr=0.1, epochs=60), graph, classes=SEEN).fit(features, labels)
    torn = [[2.0, 2.0, 0.0, 0.0]]
    assert model.predict(torn)[0] in SEEN
    assert model.add_class("feline").predict(torn).tolist() == ["feline"]
    with pytest.raises(InputError, match="there already"):
        model.add_class("feline")


def test_next_class_asks_where_more_becomes_answerable() -> None:
    chain = ClassGraph.from_triples([(f"n{i}", "subClassOf", f"n{i + 1}") for i in range(6)])
    model = LokiClassifier(SoftmaxClassifier().fit([[0.0], [1.0]], ["n0", "n1"]), chain)
    # With n0 and n1 observed, observing n_k makes n_2 .. n_k answerable.
    assert model.next_class() == [(f"n{k}", k - 1) for k in range(6, 1, -1)]


def test_rows_equal_the_graphs_distances(graph) -> None:
    everything = np.arange(graph.num_nodes)
    expected = graph.distances()
    for budget in (64 << 20, 1):
        rows = np.concatenate(list(hop_rows(graph, everything[::-1], everything[2:], budget=budget)))
        np.testing.assert_array_equal(rows, expected[::-1, 2:])


def test_many_classes_stay_within_the_budget() -> None:
    # A tenth of 10^4 samples x 10^5 classes each way. Unchunked, [N, C] scores and what comes with them would be
    # 90 MB, and [C, C] distances 800 MB; breadth-first search takes 36 MB here.
    code = """
    import resource
    import numpy as np, torch
    from kgzsl.classifiers import LokiClassifier
    from kgzsl.knowledge import ClassGraph
    C, N, K = 10_000, 1_000, 100
    class Model:
        classes_ = [f"c{i}" for i in range(C - K, C)]
        def predict_proba(self, X):
            return np.random.default_rng(0).dirichlet(np.full(K, 2 / K), size=len(X))
    graph = ClassGraph.from_triples((f"c{i}", "subClassOf", f"c{(i - 1) // 3}") for i in range(1, C))
    torch.ones(64, 64) @ torch.ones(64, 64)
    graph.align(["c1"])
    import scipy.sparse
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = LokiClassifier(Model(), graph, classes=[f"c{i}" for i in range(C)], budget=4 << 20)
    answers = [*model.predict(np.zeros((N, 1))), *model.predict(np.zeros((N, 1)), "unseen")]
    print(len(set(answers)), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, timeout=120
    )
    different, megabytes = map(int, done.stdout.split())
    assert different > 10
    assert megabytes < 55


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g, x, y: LokiClassifier("softmax").fit(x, y), "needs a class graph"),
        (lambda g, x, y: LokiClassifier("softmax", g, metric="hop").fit(x, y), "metric is 'hop'; choose hops"),
        (lambda g, x, y: LokiClassifier("softmax", metric=ClassPriors(("cat",), [[1.0]])).fit(x, y), "dog"),
        (lambda g, x, y: LokiClassifier("softmax", g).fit(x, np.where(y == "cat", "catt", y)), "nearest: cat"),
        (lambda g, x, y: LokiClassifier(torch.nn.Linear(4, 4), g).predict(x), "which classes it knows"),
        (lambda g, x, y: LokiClassifier(torch.nn.Linear(4, 4), g).fit(x, y), "cannot be fitted here"),
        (lambda g, x, y: LokiClassifier(object(), g, observed=SEEN).predict(x), "gives no probabilities"),
        (lambda g, x, y: LokiClassifier("softmax", g).fit(x, y).predict(x, "new"), "candidates is 'new'"),
    ],
)
def test_bad_input(graph, call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(graph, *samples(0))


def test_a_graph_whose_classes_are_all_equally_far_is_told(graph) -> None:
    """Attributes that all classes share make every distance 2: the unseen classes would be answered by chance."""
    shared = ClassGraph.from_triples([*TREE, *((name, "has", "colour") for name in [*SEEN, "rock"])])
    features, labels = samples(0)
    with pytest.warns(UserWarning, match=r"any two classes are 2 hops apart.*1 classes apart.*taxonomy"):
        model = LokiClassifier(SoftmaxClassifier(), shared, classes=[*SEEN, "rock"]).fit(features, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LokiClassifier(model.classifier, shared.taxonomy(), classes=[*SEEN, "rock"]).prepare()


def test_on_a_tree_resistance_is_the_path_and_weights_move_the_answer(graph) -> None:
    features, labels = samples(0)
    inner = SoftmaxClassifier(lr=0.1, epochs=60).fit(features, labels)
    hops, resistance, weighted = (LokiClassifier(inner, graph, metric=m) for m in ("hops", "resistance", "weighted"))
    for other in (resistance, weighted):  # a tree whose edges all weigh 1
        torch.testing.assert_close(other.decision_function(features), hops.decision_function(features))
        assert other.predict(features).tolist() == hops.predict(features).tolist()
        assert other.next_class() == hops.next_class()
    chain = [("a", "subClassOf", "b"), ("b", "subClassOf", "c"), ("c", "subClassOf", "d")]
    torn = np.array([[0.5, 0.5]])

    class Half:
        classes_ = np.array(["a", "d"])

        def predict_proba(self, X):
            return np.repeat(torn, len(X), axis=0)

    even = ClassGraph.from_triples(chain)
    assert LokiClassifier(Half(), even).predict([[0.0]])[0] in "bc"
    uneven = ClassGraph.from_triples(chain, weights=[1.0, 0.25, 5.0])  # lengths 1, 4 and 0.2: the middle is at 2.6
    assert LokiClassifier(Half(), uneven, metric="weighted").predict([[0.0]]).tolist() == ["b"]
    assert LokiClassifier(Half(), uneven, metric="resistance").predict([[0.0]]).tolist() == ["b"]


def test_many_ways_make_classes_near_by_resistance_and_not_by_hops() -> None:
    """Two hops by way of three common neighbours resist less than two hops by way of one."""
    triples = [("x", "r", m) for m in ("m1", "m2", "m3", "n1")]
    triples += [("y", "r", m) for m in ("m1", "m2", "m3")] + [("z", "r", "n1"), ("z", "r", "end")]
    graph = ClassGraph.from_triples(triples)

    class Sure:
        classes_ = np.array(["x"])

        def predict_proba(self, X):
            return np.ones((len(X), 1))

    scores = {
        m: LokiClassifier(Sure(), graph, classes=["y", "z"], metric=m).decision_function([[0.0]], ["y", "z"])[0]
        for m in ("hops", "resistance")
    }
    assert scores["hops"].tolist() == [-4.0, -4.0]
    torch.testing.assert_close(scores["resistance"], -torch.tensor([(2 / 3) ** 2, 4.0]))


def test_class_vectors_are_a_metric_too() -> None:
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 0.0]])
    priors = ClassPriors(("a", "b", "between", "far"), vectors)

    class Half:
        classes_ = np.array(["a", "b"])

        def predict_proba(self, X):
            return np.array([[0.5, 0.5], [0.98, 0.02]])

    model = LokiClassifier(Half(), metric=priors)
    assert model.predict([[0.0], [0.0]]).tolist() == ["between", "a"]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = [
        [-sum(p * ((unit[k] - one) ** 2).sum() for k, p in enumerate(row)) for one in unit]
        for row in Half().predict_proba(None)
    ]
    np.testing.assert_allclose(model.decision_function([[0.0], [0.0]], list(priors.names)), expected, atol=1e-5)
    assert "between" in [name for name, gain in model.next_class() if gain >= 0]


def test_loci_and_next_classes_need_not_hold_all_rows() -> None:
    random = np.random.default_rng(0)
    graph = ClassGraph.from_triples((f"c{i}", "subClassOf", f"c{random.integers(0, i)}") for i in range(1, 40))

    class Model:
        classes_ = np.array([f"c{i}" for i in range(25, 40)])

    whole, small = (LokiClassifier(Model(), graph, budget=budget).prepare().loki_ for budget in (1 << 20, 2000))
    held: list[int] = []
    row_of = small._row_of
    small._row_of = lambda name: held.append(1) or row_of(name)
    assert small._room() < 15 < whole._room()
    assert small.locus().tolist() == whole.locus().tolist()
    assert len(held) > 15  # some were worked out twice
    assert small.next_class() == whole.next_class()


def test_candidates_that_a_copy_of_the_distances_would_not_hold_are_answered_alike() -> None:
    random = np.random.default_rng(0)
    graph = ClassGraph.from_triples((f"c{i}", "subClassOf", f"c{random.integers(0, i)}") for i in range(1, 60))

    class Model:
        classes_ = np.array([f"c{i}" for i in range(30, 60)])

        def predict_proba(self, X):
            return np.random.default_rng(1).dirichlet(np.full(30, 0.3), size=len(X))

    roomy, tight = (LokiClassifier(Model(), graph, budget=budget).prepare() for budget in (1 << 20, 1500))
    assert roomy.loki_._columns(np.arange(30, 60))[1] is None
    assert tight.loki_._columns(np.arange(30, 60))[1] is not None
    x = np.zeros((25, 1))
    for candidates in ("unseen", "seen", ["c3", "c1", "c45"]):
        assert tight.predict(x, candidates).tolist() == roomy.predict(x, candidates).tolist()
        torch.testing.assert_close(tight.decision_function(x, candidates), roomy.decision_function(x, candidates))


def test_a_module_of_another_precision_is_asked_in_its_own() -> None:
    graph = ClassGraph.from_triples((f"c{i}", "subClassOf", "c0") for i in (1, 2, 3))
    model = torch.nn.Linear(4, 2).double()
    loki = LokiClassifier(model, graph, observed=["c1", "c2"])
    assert loki.observed_proba(np.ones((3, 4), dtype=np.float32)).dtype == torch.float32
    with pytest.raises(InputError, match=r"Linear cannot take X of shape \(3, 5\)"):
        loki.predict(np.ones((3, 5)))
    assert model.training  # left as it was


def test_a_module_that_gives_no_logits_is_refused() -> None:
    class Pair(torch.nn.Module):
        def forward(self, x):
            return x, x

    graph = ClassGraph.from_triples((f"c{i}", "subClassOf", "c0") for i in (1, 2, 3))
    with pytest.raises(InputError, match=r"Pair gives tuple, not logits"):
        LokiClassifier(Pair(), graph, observed=["c1", "c2"]).predict(np.ones((3, 2)))


@pytest.mark.slow
@pytest.mark.parametrize("observed", [100, 1000])
def test_ten_thousand_samples_by_a_hundred_thousand_classes_within_a_gigabyte(observed: int) -> None:
    code = """
    import resource
    import sys
    import numpy as np
    from kgzsl.classifiers import LokiClassifier
    from kgzsl.knowledge import ClassGraph
    C, N, K = 100_000, 10_000, int(sys.argv[1])
    class Model:
        classes_ = [f"c{i}" for i in range(C - K, C)]
        def predict_proba(self, X):
            return np.random.default_rng(0).dirichlet(np.full(K, 2 / K), size=len(X))
    graph = ClassGraph.from_triples((f"c{i}", "subClassOf", f"c{(i - 1) // 3}") for i in range(1, C))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = LokiClassifier(Model(), graph, classes=[f"c{i}" for i in range(C)])
    answers = model.predict(np.zeros((N, 1)))
    print(len(set(answers)), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
    """
    asked = [sys.executable, "-c", textwrap.dedent(code), str(observed)]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    different, megabytes = map(int, done.stdout.split())
    assert different > 10
    assert megabytes < 1024
