"""The evidential head: its loss from the Dirichlet's moments, and what its uncertainty is good for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from kgzsl.classifiers import EvidentialHead, SoftmaxClassifier, fuse
from kgzsl.classifiers.evidential_head import evidential_loss
from kgzsl.engine import load_tree, save_tree
from kgzsl.errors import InputError


def world(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Ten known classes, five that nobody has seen, and how the rows of a test divide."""
    generator = np.random.default_rng(seed)
    centres = 1.5 * generator.normal(size=(15, 10))
    known, new = np.repeat(np.arange(10), 25), np.repeat(np.arange(10, 15), 25)
    train, test, unseen = (centres[r] + generator.normal(size=(len(r), 10)) for r in (known, known, new))
    return train, known, test, unseen


def test_the_loss_is_the_expected_squared_error_under_the_dirichlet() -> None:
    evidence = torch.tensor([[3.0, 0.5, 0.0], [0.0, 7.0, 2.0]], dtype=torch.float64)
    labels = torch.tensor([0, 2])
    alpha = evidence + 1
    total = alpha.sum(1, keepdim=True)
    mean = alpha / total
    second = alpha * (alpha + 1) / (total * (total + 1))  # E p^2
    truth = torch.eye(3, dtype=torch.float64)[labels]
    expected = (truth - 2 * truth * mean + second).sum(1)
    torch.testing.assert_close(evidential_loss(evidence, labels, 0.0), expected)


def test_the_divergence_is_from_the_uniform_dirichlet() -> None:
    evidence = torch.rand(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 6
    labels = torch.tensor([0, 1, 2, 3, 1])
    kept = evidence.clone()
    kept[torch.arange(5), labels] = 0.0
    expected = torch.distributions.kl_divergence(
        torch.distributions.Dirichlet(kept + 1), torch.distributions.Dirichlet(torch.ones(5, 4, dtype=torch.float64))
    )
    found = evidential_loss(evidence, labels, 2.0) - evidential_loss(evidence, labels, 0.0)
    torch.testing.assert_close(found, 2 * expected)


def test_evidence_is_not_negative_and_gone_far_away() -> None:
    train, labels, test, _ = world(0)
    head = EvidentialHead(batch_size=64).fit(train, labels)
    assert (head.evidence(test) >= 0).all()
    assert (head.opinion(100 * test).uncertainty > 0.999).all()
    np.testing.assert_allclose(head.predict_proba(test).sum(1), 1.0, rtol=1e-5)
    assert (head.predict(test) == labels).mean() > 0.8
    assert (head.decision_function(test).argmax(1).numpy() == head.predict_proba(test).argmax(1)).all()


def test_where_no_class_has_evidence_the_nearest_still_answers() -> None:
    """Far from all training rows shares are equal to the last bit; the answer is not the first class of the list."""
    train, labels, test, _ = world(0)
    head = EvidentialHead(batch_size=64, epochs=5).fit(train, labels)
    far = torch.from_numpy(40 * test)
    assert (head.opinion(far).probabilities.float().amax(1) == head.opinion(far).probabilities.float().amin(1)).all()
    scores = head.decision_function(far)
    assert len(set(head.predict(far))) > 5
    assert (scores.argmax(1).numpy() == head.predict(far)).all()


def test_many_features_are_learnt_as_well_as_few() -> None:
    """Steps of the optimiser are of the size of a coordinate, however many there are."""
    right = []
    for width in (10, 1000):
        generator = np.random.default_rng(0)
        centres = generator.normal(size=(12, width)) * 3 / width**0.5
        labels = np.repeat(np.arange(12), 40)
        train, test = (centres[labels] + 0.5 * generator.normal(size=(480, width)) for _ in range(2))
        right.append((EvidentialHead().fit(train, labels).predict(test) == labels).mean())
    assert min(right) > 0.85


def test_uncertainty_tells_unseen_classes_better_than_the_largest_softmax() -> None:
    gains = []
    for seed in range(3):
        train, labels, test, unseen = world(seed)
        rows, new = np.concatenate([test, unseen]), np.repeat([0, 1], [len(test), len(unseen)])
        evidential = EvidentialHead(batch_size=64).fit(train, labels).opinion(rows).uncertainty
        largest = SoftmaxClassifier(lr=0.01, epochs=60, batch_size=64).fit(train, labels).predict_proba(rows).max(1)
        gains.append(roc_auc_score(new, evidential) - roc_auc_score(new, -largest))
    assert np.mean(gains) > 0.05


def test_the_divergence_takes_evidence_for_wrong_classes_away() -> None:
    train, labels, test, _ = world(0)
    wrong = []
    for weight in (0.0, 0.5):
        evidence = EvidentialHead(regularisation=weight, batch_size=64).fit(train, labels).evidence(test)
        wrong.append(float(evidence.sum() - evidence[torch.arange(len(test)), torch.as_tensor(labels)].sum()))
    assert wrong[1] < 0.8 * wrong[0]


def test_opinions_fuse() -> None:
    train, labels, test, _ = world(0)
    one, two = (EvidentialHead(batch_size=64).fit(train[:, part], labels) for part in (slice(0, 5), slice(5, 10)))
    both = fuse([one.opinion(test[:, :5]), two.opinion(test[:, 5:])])
    right = [(b.belief.argmax(1).numpy() == labels).mean() for b in (both, one.opinion(test[:, :5]))]
    assert right[0] > right[1] + 0.1


def test_state_and_seed(tmp_path) -> None:
    train, labels, test, _ = world(0)
    names = np.array([f"c{i}" for i in range(10)])[labels]
    head, same, other = (EvidentialHead(seed=s, epochs=3, batch_size=64).fit(train, names) for s in (0, 0, 1))
    assert torch.equal(head.centres_, same.centres_)
    assert not torch.equal(head.centres_, other.centres_)
    save_tree(tmp_path / "head.safetensors", head.state_dict())
    back = EvidentialHead().load_state_dict(load_tree(tmp_path / "head.safetensors"))
    assert back.predict(test).tolist() == head.predict(test).tolist()


def test_constant_columns_one_class_and_one_row() -> None:
    assert EvidentialHead().fit([[1.0, 5.0], [2.0, 5.0]], ["a", "a"]).predict([[1.0, 5.0]]).tolist() == ["a"]
    assert EvidentialHead().fit([[1.0, 5.0]], ["a"]).predict([[1.0, 5.0]]).tolist() == ["a"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y: EvidentialHead(epochs=0).fit(x, y), "epochs is 0; give a whole number, 1 or more"),
        (lambda x, y: EvidentialHead(regularisation=-1).fit(x, y), "regularisation is -1; give 0 or a number above it"),
        (lambda x, y: EvidentialHead().fit(x, y[:3]), "for 250 rows"),
        (lambda x, y: EvidentialHead().predict(x), "not fitted"),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(*world(0)[:2])
