"""Recall@K and NMI against their definitions and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

from kgzsl.classifiers import k_means, normalised_mutual_information, recall_at_k
from kgzsl.errors import InputError


def test_recall_by_its_definition() -> None:
    generator = np.random.default_rng(0)
    points, labels = generator.normal(size=(60, 4)), generator.integers(0, 6, size=60)
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    order = np.argsort(distance, axis=1)
    expected = [np.mean([(labels[order[i, :k]] == labels[i]).any() for i in range(60)]) for k in (1, 3, 10, 59)]
    for budget in (64 << 20, 1):
        assert recall_at_k(points, labels, (1, 3, 10, 59), budget=budget) == pytest.approx(expected)


def test_a_collapsed_embedding_scores_chance() -> None:
    labels = np.repeat(np.arange(5), 4)
    # 3 of the 19 other rows are of one's own class: K draws without return miss them with chance C(16,K)/C(19,K).
    expected = [3 / 19, 1 - (16 * 15) / (19 * 18), 1.0]
    assert recall_at_k(np.ones((20, 2)), labels, (1, 2, 17)) == pytest.approx(expected)


def test_perfect_and_impossible_recall() -> None:
    labels = np.array([0, 0, 1, 1])
    assert recall_at_k([[0.0], [0.1], [5.0], [5.1]], labels, [1]) == [1.0]
    assert recall_at_k([[0.0], [1.0], [2.0]], ["a", "b", "c"], [1, 2]) == [0.0, 0.0]


@pytest.mark.parametrize("seed", range(3))
def test_mutual_information_is_scikit_learns(seed: int) -> None:
    generator = np.random.default_rng(seed)
    first = generator.integers(0, 5, size=80)
    second = np.where(generator.random(80) < 0.5, first, generator.integers(0, 9, size=80))
    expected = normalized_mutual_info_score(first, second)
    assert normalised_mutual_information(first, second) == pytest.approx(expected)
    assert normalised_mutual_information(second, first) == pytest.approx(expected)


def test_mutual_information_limits() -> None:
    assert normalised_mutual_information([0, 0, 1, 1], ["b", "b", "a", "a"]) == pytest.approx(1.0)
    assert normalised_mutual_information([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx(0.0)
    assert normalised_mutual_information([0, 0], [1, 1]) == 1.0


def test_clusters_of_separate_blobs_and_seeds() -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), 20)
    points = 20 * generator.normal(size=(6, 3))[labels] + generator.normal(size=(120, 3))
    assert normalised_mutual_information(labels, k_means(points, 6)) == pytest.approx(1.0)
    assert k_means(points, 4, seed=3).tolist() == k_means(points, 4, seed=3).tolist()
    assert sorted(k_means(points[:5], 5).tolist()) == list(range(5))
    assert len(k_means(np.zeros((4, 2)), 3)) == 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: recall_at_k([[1.0]], [0]), "of 1 rows"),
        (lambda: recall_at_k([[1.0], [2.0]], [0, 0], [0]), "one of ks is 0; give a whole number, 1 or more"),
        (lambda: normalised_mutual_information([0], [0, 1]), "labellings of the shapes"),
        (lambda: k_means([[1.0]], 2), "2 clusters of 1 rows"),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("seed", range(3))
def test_copies_and_rows_far_out_do_not_blur_what_is_near(seed: int) -> None:
    """Against plain distances: rows that are copies of one another are tied, rows close by are told apart."""
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(40, 5)).astype(np.float32)
    points[10:20] = points[:10]  # copies
    points[20:30] = points[:10] + 1e-3 * generator.normal(size=(10, 5)).astype(np.float32)
    points[39] = 1e6
    labels = generator.integers(0, 4, size=40)
    distance = np.linalg.norm(points[:, None].astype(np.float64) - points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    expected = []
    for k in (1, 2, 4):
        chances = []
        for row in range(40):
            found = []
            for _ in range(400):  # ties by chance
                order = np.lexsort((generator.random(40), distance[row]))
                found.append((labels[order[:k]] == labels[row]).any())
            chances.append(np.mean(found))
        expected.append(np.mean(chances))
    assert recall_at_k(points, labels, (1, 2, 4)) == pytest.approx(expected, abs=0.01)
    # Three rows far out blur all others in a product of matrices.
    far = np.concatenate([points, np.full((3, 5), [[1e9], [2e9], [-4e9]], dtype=np.float32)])
    alone = np.concatenate([labels, [7, 8, 9]])
    assert 43 / 40 * recall_at_k(far, alone, [1])[0] == pytest.approx(expected[0], abs=0.01)
