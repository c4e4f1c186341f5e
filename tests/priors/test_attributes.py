import numpy as np
import pytest

from kgzsl import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.priors import Attributes, PriorWarning

from .conftest import ZOO, renumbered


def table(priors):
    """Column name -> names of the classes that have it."""
    return {
        column: {name for name, value in zip(priors.names, values, strict=True) if value}
        for column, values in zip(priors.columns, priors.matrix.T, strict=True)
    }


def test_a_class_has_what_its_ancestors_have(zoo):
    priors = Attributes(ancestors=False).fit(zoo).priors(["zebra", "horse", "tiger"])
    assert table(priors) == {
        "has fur": {"zebra", "horse", "tiger"},
        "has hooves": {"zebra", "horse"},
        "has stripes": {"zebra", "tiger"},
        "lives in fields": {"horse"},
        "lives in jungle": {"tiger"},
        "lives in savanna": {"zebra"},
    }
    assert set(np.unique(priors.matrix)) == {0.0, 1.0}


def test_without_inheritance_only_what_is_said_of_the_class_itself(zoo):
    with pytest.warns(PriorWarning, match="'equine'|'animal'"):
        priors = Attributes(ancestors=False, inherit=False).fit(zoo).priors(["zebra", "horse", "animal"])
    assert table(priors) == {
        "has stripes": {"zebra"},
        "lives in fields": {"horse"},
        "lives in savanna": {"zebra"},
    }


def test_ancestors_are_columns_and_the_class_itself_is_not(zoo):
    found = table(Attributes(relations=["has"]).fit(zoo).priors(["zebra", "equine"]))
    assert found["is a equine"] == {"zebra"}
    assert found["is a animal"] == {"zebra", "equine"}
    assert not any("zebra" in column for column in found)


def test_objects_stand_for_what_is_above_them(zoo):
    found = table(Attributes(ancestors=False, generalise=True).fit(zoo).priors(["zebra", "horse", "tiger"]))
    assert found["lives in grassland"] == {"zebra", "horse"}


def test_disjointness_is_no_attribute_even_when_it_is_asked_for(zoo):
    found = table(Attributes(relations=["has", "disjointWith"], ancestors=False).fit(zoo).priors(["zebra", "tiger"]))
    assert not any("horse" in column for column in found)


def test_cycles_and_equivalences_end():
    graph = ClassGraph.from_triples(
        [
            ("a", "subClassOf", "b"),
            ("b", "subClassOf", "c"),
            ("c", "subClassOf", "a"),
            ("c", "has", "x"),
            ("d", "equivalentClass", "c"),
            ("d", "has", "y"),
        ]
    )
    priors = Attributes(ancestors=False).fit(graph).priors(["a", "b", "c", "d"])
    assert priors.matrix.tolist() == [[1, 1]] * 4


def test_the_nearest_weight_holds_and_decay_fades_what_is_inherited():
    triples = [
        ("bird", "does", "fly"),
        ("bird", "has", "wings"),
        ("penguin", "subClassOf", "bird"),
        ("penguin", "does", "fly"),
    ]
    graph = ClassGraph.from_triples(triples, weights=[0.9, 0.8, 1.0, 0.1])
    priors = Attributes("weighted", ancestors=False).fit(graph).priors(["penguin", "bird"])
    assert priors.columns == ("does fly", "has wings")
    assert priors.matrix == pytest.approx(np.array([[0.1, 0.8], [0.9, 0.8]]))
    faded = Attributes("weighted", ancestors=False, decay=0.5).fit(graph).priors(["penguin"])
    assert faded.matrix == pytest.approx(np.array([[0.1, 0.4]]))


def test_rarity_is_the_smoothed_inverse_frequency(zoo):
    names = ["zebra", "horse", "tiger"]
    plain = Attributes(ancestors=False).fit(zoo).priors(names)
    rare = Attributes("rarity", ancestors=False).fit(zoo).priors(names)
    count = plain.matrix.sum(axis=0)
    assert rare.matrix == pytest.approx(plain.matrix * (np.log(4 / (1 + count)) + 1))


def test_frequency_limits_and_one_column_per_object(zoo):
    names = ["zebra", "horse", "tiger"]
    assert Attributes(ancestors=False, min_count=2, max_share=0.7).fit(zoo).priors(names).columns == (
        "has hooves",
        "has stripes",
    )
    by_object = Attributes(ancestors=False, columns="object").fit(zoo).priors(names)
    assert "stripes" in by_object.columns
    assert Attributes(ancestors=False, inverse=True, relations=["has"]).fit(zoo).priors(["stripes"]).columns == (
        "inverse has tiger",
        "inverse has zebra",
    )


def test_the_numbering_of_nodes_leaves_no_trace(zoo):
    names = ["tiger", "zebra", "horse"]
    first = Attributes("rarity", generalise=True).fit(zoo).priors(names)
    second = Attributes("rarity", generalise=True).fit(renumbered(ZOO)).priors(names)
    assert first.columns == second.columns
    assert np.array_equal(first.matrix, second.matrix)


@pytest.mark.parametrize("weights", ["binary", "rarity"])
def test_a_class_added_later_gets_the_same_columns(zoo, weights):
    encoder = Attributes(weights).fit(zoo)
    old = encoder.priors(["zebra", "horse"])
    new = encoder.priors(["zebra", "tiger"], like=old)
    assert new.columns == old.columns
    assert np.allclose(new["zebra"], old["zebra"])
    assert not any("jungle" in column for column in new.columns)
    with pytest.raises(InputError, match="not made by Attributes"):
        encoder.priors(["zebra"], like=type(old)(("a",), np.ones((1, 2)), {}))


def test_bad_input(zoo):
    with pytest.raises(InputError, match="did you mean livesIn"):
        Attributes(relations=["livesInn"]).fit(zoo)
    with pytest.raises(InputError, match="not fitted"):
        Attributes().priors(["zebra"])
    with pytest.raises(InputError, match=r"zebre.*zebra"):
        Attributes().fit(zoo).priors(["zebre"])
    with pytest.raises(InputError, match="no attribute"):
        Attributes(ancestors=False, relations=["has"]).fit(zoo).priors(["animal"])
    for options in ({"weights": "no"}, {"columns": "no"}, {"decay": 0}, {"max_share": 2}):
        with pytest.raises(InputError):
            Attributes(**options)
