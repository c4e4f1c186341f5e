import numpy as np
import pytest
import torch

from kgzsl import InputError
from kgzsl.classifiers import GraphNetworkClassifier
from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors import GCN
from kgzsl.tasks.image_classification import ZeroShotClassifier

FAMILIES, MEMBERS = 5, 5
UNSEEN = [f"c{f}_{MEMBERS - 1}" for f in range(FAMILIES)]
SEEN = [f"c{f}_{c}" for f in range(FAMILIES) for c in range(MEMBERS - 1)]


@pytest.fixture(scope="module")
def world():
    """Classes of a family look alike; the last one of each family has no sample in training."""
    tree = [(f"f{f}", "subClassOf", "root") for f in range(FAMILIES)]
    tree += [(f"c{f}_{c}", "subClassOf", f"f{f}") for f in range(FAMILIES) for c in range(MEMBERS)]
    graph = ClassGraph.from_triples(tree)
    random = np.random.default_rng(0)
    centres = {f"c{f}_{c}": np.eye(12)[f] * 4 + random.normal(size=12) for f in range(FAMILIES) for c in range(MEMBERS)}

    def draw(names, count):
        x = np.concatenate([centres[name] + 0.5 * random.normal(size=(count, 12)) for name in names])
        return x.astype(np.float32), np.repeat(names, count)

    return graph, draw(SEEN, 20), draw(UNSEEN, 20)


def network(**options):
    return {"hidden": (16,), "epochs": 120, "lr": 0.01, "dropout": 0.2, **options}


@pytest.mark.parametrize(("kind", "targets"), [("gcn", "weights"), ("gcn", "means"), ("trgcn", "means")])
def test_unseen_classes_are_told_by_their_families_and_not_on_a_shuffled_graph(world, kind, targets):
    graph, train, test = world
    right = []
    for one in (graph, graph.shuffled(0)):
        base = ClassPriors(one.iris, np.eye(one.num_nodes))
        options = network(base=base)
        model = GraphNetworkClassifier(kind, options, one, [*SEEN, *UNSEEN], targets=targets).fit(*train)
        right.append(np.mean(model.predict(test[0], "unseen") == test[1]))
    assert right[0] > 0.7  # chance: one in five
    assert right[0] > right[1] + 0.2


def test_a_class_added_later_scores_as_if_it_had_been_there(world):
    graph, train, test = world
    whole = GraphNetworkClassifier("gcn", network(), graph, [*SEEN, *UNSEEN]).fit(*train)
    later = GraphNetworkClassifier("gcn", network(), graph, SEEN).fit(*train)
    for name in UNSEEN:
        later.add_class(name)
    assert torch.allclose(later.decision_function(test[0], UNSEEN), whole.decision_function(test[0], UNSEEN), atol=1e-5)
    assert later.seen_.sum() == len(SEEN)
    with pytest.raises(InputError, match="there already"):
        later.add_class(UNSEEN[0])


def test_seen_classes_may_keep_the_classifier_trained_on_them(world):
    graph, train, _ = world
    made = {
        kept: GraphNetworkClassifier(
            GCN(**network()), None, graph, [*SEEN, *UNSEEN], targets="means", use_trained=kept
        ).fit(*train)
        for kept in (True, False)
    }
    assert made[True].score(*train) > made[False].score(*train)
    x = train[0][train[1] == SEEN[0]]
    mean = (x / np.linalg.norm(x, axis=1, keepdims=True)).sum(axis=0)
    assert np.allclose(made[True].coef_[0], mean / np.linalg.norm(mean), atol=1e-5)
    assert torch.equal(made[True].coef_[len(SEEN) :], made[False].coef_[len(SEEN) :])


def test_every_class_of_the_graph_may_be_the_answer(world):
    graph, train, _ = world
    model = GraphNetworkClassifier("gcn", network(epochs=2), graph).fit(*train)
    assert len(model.classes_) == np.sum(graph.kinds == 0)


def test_bad_input(world):
    graph, train, _ = world
    for options, message in (
        ({"graph": None}, "needs a class graph"),
        ({"graph": graph, "targets": "no"}, "targets"),
        ({"graph": graph, "network": "tfidf"}, "cannot predict weights"),
        ({"graph": graph, "network": GCN(), "network_options": {"lr": 1}}, "network_options"),
        ({"graph": graph, "classes": ["nowhere"]}, "nowhere"),
    ):
        with pytest.raises(InputError, match=message):
            GraphNetworkClassifier(**options).fit(*train)
    with pytest.raises(InputError, match="not fitted"):
        GraphNetworkClassifier().predict(train[0])


def of_a_recipe(world, **options):
    """The classifier as a recipe makes it: all classes told by the priors, the graph among the options."""
    graph, train, _ = world
    names = [*SEEN, *UNSEEN]
    priors = ClassPriors(tuple(names), np.eye(len(names)))
    given = {"network_options": network(), "graph": graph, **options}
    model = ZeroShotClassifier(None, "graph-network", classifier_options=given, precision="32-true")
    return model.fit(*train, priors), priors


def test_in_a_recipe_the_priors_name_the_classes_and_the_graph_tells_the_rest(world):
    graph, train, test = world
    model, priors = of_a_recipe(world)
    # Rounding is a part of what is trained on, so both get the same scale.
    turned = ClassPriors(priors.names[::-1], priors.matrix)
    alone = GraphNetworkClassifier("gcn", network(), graph).fit(train[0] * np.float32(model._scale), train[1], turned)
    assert list(alone.classes_) == list(turned.names)
    assert np.allclose(model.scores(test[0]), alone.decision_function(test[0]).flip(1), atol=1e-5)
    wrong, _ = of_a_recipe(world, graph=graph.shuffled(0))
    assert model.score(*test, "unseen") > wrong.score(*test, "unseen") + 0.2


def test_a_saved_one_answers_alike_and_says_that_new_classes_need_the_graph(world, tmp_path):
    graph, _, test = world
    model, priors = of_a_recipe(world)
    again = ZeroShotClassifier.load(model.save(tmp_path / "model"))
    assert np.array_equal(again.scores(test[0]), model.scores(test[0]))
    head = again._gzsl_head.classifier
    with pytest.raises(InputError, match="read from disk"):
        head.add_class("f0")
    width = priors.dim
    with pytest.raises(InputError, match="needs a class graph"):
        again.add_class("f0", prior_row=np.ones(width))
    again = ZeroShotClassifier.load(tmp_path / "model")
    again.add_class("f0", prior_row=np.ones(width), graph=graph)
    assert "f0" in again.unseen_
    assert np.isfinite(again.scores(test[0], ["f0"])).all()


def test_a_recipe_without_a_graph_is_told_what_it_lacks(world, tmp_path):
    from kgzsl.recipe import Recipe
    from kgzsl.tasks.image_classification import run

    graph, train, test = world
    names = [*SEEN, *UNSEEN]
    label = {name: number for number, name in enumerate(names)}
    rows = np.arange(len(train[0]))
    np.savez(
        tmp_path / "world.npz",
        features=np.concatenate([train[0], test[0]]),
        labels=np.array([label[name] for name in [*train[1], *test[1]]]),
        class_names=np.array(names),
        att=np.eye(len(names), dtype=np.float32),
        trainval_loc=rows[rows % 5 > 0],
        test_seen_loc=rows[rows % 5 == 0],
        test_unseen_loc=len(rows) + np.arange(len(test[0])),
        unseen_classes=np.array([label[name] for name in UNSEEN]),
    )
    content = {
        "task": "image_classification",
        "dataset": str(tmp_path / "world.npz"),
        "priors": [{"name": "att"}],
        "generator": None,
        "classifier": {"name": "graph-network", "network_options": {**network(), "hidden": [16]}},
        "protocol": {"seeds": 1, "validation": "none"},
        "controls": ["chance", "shuffled"],
    }
    with pytest.raises(InputError, match=r"graph-network.*needs a class graph.*give graph"):
        run(Recipe.build(content), progress=False)
    edges = [f"{graph.iris[h]},subClassOf,{graph.iris[t]}" for h, t in graph.edge_index.T]
    (tmp_path / "world.csv").write_text("s,r,o\n" + "\n".join(edges))
    content["graph"] = {"source": str(tmp_path / "world.csv")}
    metrics = run(Recipe.build(content), progress=False).metrics
    assert metrics["zsl.top1"] > 60  # chance: 20
    assert metrics["zsl.top1"] > metrics["control.shuffled.zsl.top1"] + 10
