"""A statement taken away moves the score of what it told, and leaves the model as it was."""

from __future__ import annotations

import numpy as np
import pytest

from kgzsl import ZeroShotClassifier
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors
from kgzsl.tasks.image_classification.counterfactual import counterfactuals, without_statement

NAMES = ("horse", "tiger", "cow", "zebra", "pig")
COLUMNS = ["hooves", "stripes", "fur"]
# Only its stripes tell the zebra from the pig.
SAID = np.array([[1, 0, 1], [0, 1, 1], [1, 0, 0], [1, 1, 0], [1, 0, 0]], dtype=np.float32)


@pytest.fixture
def fitted() -> tuple[ZeroShotClassifier, np.ndarray]:
    random = np.random.default_rng(0)
    mixing = random.normal(size=(3, 12))
    labels = np.repeat([0, 1, 2], 30)
    x = SAID[labels] @ mixing + 0.05 * random.normal(size=(90, 12))
    options = {"gamma": 0.01, "lam": 0.01, "normalise": "none"}
    model = ZeroShotClassifier(None, "eszsl", classifier_options=options)
    model.fit(x, np.array(NAMES)[labels], ClassPriors(NAMES, SAID, made={"columns": COLUMNS}))
    return model, (SAID[3] @ mixing)[None]


def test_without_its_stripes_a_zebra_is_no_more_a_zebra_than_a_pig(fitted) -> None:
    model, zebra = fitted
    before = model.predict_proba(zebra, "unseen")
    assert model.predict(zebra, "unseen").tolist() == ["zebra"]
    changed = without_statement(model, "zebra", "stripes")
    after = changed.predict_proba(zebra, "unseen")
    np.testing.assert_allclose(after[0, 0], after[0, 1], atol=1e-6)  # now both have the same prior
    assert before[0, 0] > after[0, 0] + 0.05
    np.testing.assert_array_equal(model.predict_proba(zebra, "unseen"), before)
    np.testing.assert_array_equal(model.priors_.matrix, SAID)


def test_the_weightiest_statement_comes_first(fitted) -> None:
    model, zebra = fitted
    found = counterfactuals(model, zebra, "unseen", most=2)
    assert found[0].removed == "stripes"
    assert {one.removed for one in found} == {"stripes", "hooves"}
    assert found[0].before == pytest.approx(float(model.predict_proba(zebra, "unseen").max()))
    assert "without stripes" in found[0].text(share=True)


def test_columns_without_names_have_no_counterfactuals(fitted) -> None:
    model, zebra = fitted
    with pytest.raises(InputError, match="no column 'wings'"):
        without_statement(model, "zebra", "wings")
    model.priors_ = ClassPriors(NAMES, SAID)
    assert counterfactuals(model, zebra) == []
