import numpy as np
import pytest
import torch

from kgzsl import InputError
from kgzsl.engine import Engine
from kgzsl.knowledge import ClassGraph
from kgzsl.priors import Box2EL, ELEm, Poincare, PriorWarning, make

from ..conftest import ZOO, renumbered

NAMES = ["zebra", "horse", "tiger"]
ENCODERS = [(ELEm, {"dim": 6, "epochs": 8}), (Box2EL, {"dim": 6, "epochs": 8}), (Poincare, {"dim": 4, "epochs": 8})]


def tree(branching: int = 3, depth: int = 4) -> ClassGraph:
    """A tree, and an edge from each node to its grandparent, so that edges can be held out."""
    triples, level = [], ["n"]
    for _ in range(depth):
        below = [f"{name}{child}" for name in level for child in range(branching)]
        triples += [(name, "subClassOf", name[:-1]) for name in below]
        triples += [(name, "subClassOf", name[:-2]) for name in below if len(name) > 2]
        level = below
    return ClassGraph.from_triples(triples)


@pytest.mark.parametrize(("encoder", "options"), ENCODERS)
def test_the_seed_decides_and_the_numbering_leaves_no_trace(zoo, encoder, options):
    first = encoder(**options).fit(zoo).priors(NAMES)
    other = encoder(**options).fit(renumbered(ZOO)).priors(NAMES)
    assert np.array_equal(first.matrix, other.matrix)
    assert not np.allclose(first.matrix, encoder(**options, seed=1).fit(zoo).priors(NAMES).matrix)


@pytest.mark.parametrize(("encoder", "options"), ENCODERS)
def test_an_interrupted_run_goes_on_bit_equal(zoo, tmp_path, encoder, options):
    whole = encoder(**options).fit(zoo, engine=Engine(precision="32-true", progress=False))

    class Stop(Exception):
        pass

    def stop(row):
        if row["step"] >= 5:
            raise Stop

    where = {"precision": "32-true", "progress": False, "checkpoint": tmp_path, "checkpoint_every": 3}
    with pytest.raises(Stop):
        encoder(**options).fit(zoo, engine=Engine(**where, on_log=stop))
    resumed = encoder(**options).fit(zoo, engine=Engine(**where, resume=True))
    assert np.array_equal(whole.priors(NAMES).matrix, resumed.priors(NAMES).matrix)


@pytest.mark.parametrize(
    ("encoder", "options"),
    [
        (ELEm, {"epochs": 150, "batch_size": 128}),
        (Box2EL, {"epochs": 150, "batch_size": 128}),
        (Poincare, {"epochs": 60, "batch_size": 128}),
    ],
)
def test_held_out_subsumptions_hold_and_training_is_what_makes_them(encoder, options):
    fitted = encoder(12, **options, holdout=0.2).fit(tree())
    trained = fitted.subsumption_
    assert fitted.priors(["n0"]).made["held_out"]["subsumption.queries"] == trained.queries > 30
    untrained = encoder(12, **{**options, "epochs": 1}, lr=1e-9, holdout=0.2).fit(tree()).subsumption_
    assert trained.accuracy > max(0.6, untrained.accuracy + 0.1)
    assert trained.metrics()["subsumption.mrr"] > untrained.metrics()["subsumption.mrr"] + 0.1


@pytest.mark.slow
@pytest.mark.parametrize("encoder", [ELEm, Box2EL])
def test_training_makes_a_model_of_the_axioms(zoo, encoder):
    fitted = encoder(8, epochs=600, negatives=0).fit(zoo)
    model, axioms = fitted.model_, fitted.axioms_
    for form in ("gci0", "gci2", "gci1_bot"):
        assert model.loss(form, torch.from_numpy(axioms.forms[form])).max() < 0.1, form


def test_without_negatives_a_taxonomy_collapses_and_with_them_siblings_stay_apart():
    """The published losses alone let every class sit on its sibling."""
    star = ClassGraph.from_triples([(f"c{one}", "subClassOf", "top") for one in range(8)])
    worst = []
    for count in (0, 4):
        model = ELEm(4, epochs=300, negatives=count).fit(star).model_
        gaps = model.gaps(torch.arange(8)) + torch.eye(8, 9) * 100
        worst.append(gaps[:, :8].min().item())
    assert worst[0] < 0.2 < worst[1]


def test_named_subsumptions_are_tested_and_those_that_choose_the_threshold_are_not_counted():
    fitted = Poincare(8, epochs=40, batch_size=128).fit(tree())
    deep = [(f"n{path}", f"n{path[:-3]}") for path in ("1111", "1212", "2222", "2121", "0101", "0202", "1010", "2020")]
    found = fitted.subsumptions([*deep, *((below, "n") for below, _ in deep)])
    assert found.queries == 16 - 3
    assert found.holds > 0.7
    with pytest.raises(InputError, match="no class names"):
        fitted.subsumptions([])
    with pytest.raises(InputError, match="nobody"):
        fitted.subsumptions([("nobody", "n")])


def test_general_classes_are_negatives_when_negatives_are_drawn_where_they_stand():
    """A general class fills half the axioms; drawn among all concepts it is hardly ever a negative."""
    triples = [(f"c{one}", "subClassOf", "big" if one % 2 else f"small{one}") for one in range(60)]
    graph = ClassGraph.from_triples(triples)
    share = []
    for likely in (0.0, 1.0):
        encoder = ELEm(4, epochs=1, likely=likely).fit(graph)
        axioms = encoder.axioms_
        loop = encoder._loop(encoder.model_, axioms, axioms, 1, torch.Generator().manual_seed(0))
        drawn = loop._corrupt("gci0", torch.from_numpy(axioms.forms["gci0"]).repeat(50, 1))[:, 1]
        share.append(float((drawn == axioms.concepts.index("big")).float().mean()))
    assert share[0] == pytest.approx(1 / axioms.num_concepts, abs=0.01)
    assert share[1] == pytest.approx(0.5, abs=0.03)


def test_general_classes_lie_nearer_the_middle():
    points = Poincare(8, epochs=60, batch_size=128, tangent=False).fit(tree()).priors(["n", "n1", "n1212"]).matrix
    size = np.linalg.norm(points, axis=1)
    assert size[0] < size[1] < size[2] < 1


def test_a_class_in_no_axiom_is_warned_of_by_name():
    graph = ClassGraph.from_triples([("a", "subClassOf", "b"), ("c", "seeAlso", "a")])
    for encoder in (ELEm(4, epochs=1), Poincare(4, epochs=1)):
        with pytest.warns(PriorWarning, match="'c'"):
            encoder.fit(graph).priors(["a", "c"])


def test_bad_input(zoo):
    for name, options in (
        ("elem", {"dim": 0}),
        ("elem", {"holdout": 1}),
        ("elem", {"lr": 0}),
        ("box2el", {"distance": -1}),
        ("poincare", {"negatives": 0}),
        ("poincare", {"lr": -1}),
    ):
        with pytest.raises(InputError):
            make(name, **options)
    with pytest.raises(InputError, match="no taxonomy"):
        Poincare().fit(ClassGraph.from_triples([("a", "knows", "b")]))
    with pytest.raises(InputError, match="no axiom"):
        ELEm().fit(ClassGraph.from_triples([("a", "seeAlso", "b")]))
    with pytest.raises(InputError, match="not fitted"):
        ELEm().priors(NAMES)
