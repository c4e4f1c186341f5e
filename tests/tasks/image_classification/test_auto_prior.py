"""A prior that chooses by seen classes is shown their features by a recipe, and no others."""

import numpy as np

from kgzsl.priors import Auto
from kgzsl.tasks._knowledge import Source, build_priors, reasons
from kgzsl.tasks.image_classification import run

CANDIDATES = "priors=[{name: auto, candidates: [attributes, {name: transe, dim: 8, epochs: 2}], holdout: 0.1}]"


def test_auto_sees_the_training_features_alone(world, small_recipe, monkeypatch):
    seen = []
    watched = Auto.observe
    monkeypatch.setattr(Auto, "observe", lambda self, x, y: seen.append((x, y)) or watched(self, x, y))
    names = world.data.class_names
    source = Source(world.graph, tuple(names))
    features, labels = world.data.train
    rows = np.array([names.index(name) for name in labels])
    recipe = small_recipe(CANDIDATES)
    found = build_priors(recipe, names, {}, [source], observed=(features, rows))
    ((shown, told),) = seen
    assert shown is features
    assert list(told) == list(labels)
    # Features follow from the attributes in this world.
    assert found.made["auto"]["why"].startswith("Attributes() tells held-out seen classes")
    assert reasons(found) == [f"auto: {found.made['auto']['why']}"]
    assert reasons(found | found) == reasons(found) * 2
    assert found.dim == 8


def test_a_run_says_why_before_all_else(world, small_recipe, tmp_path):
    lines = []
    world.graph.save(tmp_path / "world.graph")
    changes = f"graph={tmp_path / 'world.graph'}", "generator=null", "classifier={name: eszsl}", "controls=[]"
    result = run(small_recipe(CANDIDATES, *changes), data=world.data, log=lines.append, progress=False)
    why = "auto: Attributes() tells held-out seen classes best"
    assert any(line.startswith(why) for line in lines)
    assert any(told.startswith(why) for told in result.warnings)
