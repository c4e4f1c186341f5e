import numpy as np
import pytest

from kgzsl import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.priors import MultiViewText, PriorWarning
from kgzsl.priors.text import Views

from .conftest import ZOO, renumbered

NAMES = ["zebra", "horse", "tiger"]


def test_documents_by_view(zoo):
    views = Views(zoo)
    node = zoo.node("zebra")
    assert views.names == ("name", "definition", "taxonomy", "has", "lives in")
    told = {view: views.text(node, view) for view in views.names}
    assert told == {
        "name": "zebra",
        "definition": "A striped horse of Africa.",
        "taxonomy": "equine, mammal, animal",
        "has": "has stripes",
        "lives in": "lives in savanna",
    }
    assert Views(zoo, max_views=4).names[3:] == ("has",)
    own = Views(zoo, {"looks": ["has"], "all else": ["livesIn", "subClassOf", "comment"]})
    assert own.text(node, "looks") == "has stripes"
    assert own.text(node, "all else") == "A striped horse of Africa. lives in savanna. sub class of equine"
    with pytest.raises(InputError, match=r"livesInn.*did you mean livesIn"):
        Views(zoo, {"habitat": ["livesInn"]})


def test_a_view_depends_on_its_own_properties_alone(zoo):
    first = MultiViewText(4).fit(zoo).priors(NAMES)
    changed = ClassGraph.from_triples(
        [(a, b, "jungle" if (a, b) == ("zebra", "livesIn") else c) for a, b, c in ZOO],
        texts={"zebra": ["A striped horse of Africa"], "tiger": ["The largest cat"]},
    )
    second = MultiViewText(4).fit(changed).priors(NAMES)
    widths = dict(first.made["views"])
    assert widths == dict(second.made["views"])
    at = 0
    for view, width in widths.items():
        same = np.allclose(first.matrix[:, at : at + width], second.matrix[:, at : at + width], atol=1e-6)
        assert same == (view != "lives in"), view
        at += width


def test_the_numbering_leaves_no_trace_and_weights_scale_views(zoo):
    texts = {"zebra": ["A striped horse of Africa"], "tiger": ["The largest cat"]}
    first, second = (MultiViewText(4).fit(g).priors(NAMES) for g in (zoo, renumbered(ZOO, texts=texts)))
    assert np.allclose(first.matrix, second.matrix, atol=1e-5)
    muted = MultiViewText(4, weights={"name": 0.0, "has": 2.0}).fit(zoo).priors(NAMES)
    factors = np.concatenate(
        [np.full(width, {"name": 0.0, "has": 2.0}.get(view, 1.0)) for view, width in first.made["views"]]
    )
    assert np.allclose(muted.matrix, first.matrix * factors, atol=1e-6)


def test_bad_input(zoo):
    for options in ({"dim": 0}, {"max_views": 0}, {"encode": "no"}):
        with pytest.raises(InputError):
            MultiViewText(**options)
    with pytest.raises(InputError, match="no view"):
        MultiViewText(weights={"smell": 1.0}).fit(zoo)
    with pytest.warns(PriorWarning, match="'animal'"):
        MultiViewText(views={"looks": ["has"]}).fit(zoo).priors(["zebra", "animal"])
