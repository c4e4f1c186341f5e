"""Drawings: coordinates, ticks, layouts and counts."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgzsl.report.figures import confused_pairs, confusion_matrix, feature_map, seen_unseen_curve, training_curves
from kgzsl.report.figures.svg import Axes, Canvas, number, ticks
from kgzsl.report.figures.taxonomy_layout import primary_parents, radial_layout


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_inside_evenly_spaced_and_few(low: float, span: float) -> None:
    found = ticks(low, low + span, 5)
    assert len(found) <= 7
    assert all(low - 1e-6 * span <= tick <= low + span * (1 + 1e-6) for tick in found)
    steps = np.diff(found)
    assert len(found) >= 2
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6, atol=1e-9)


def test_numbers_are_short() -> None:
    assert [number(value) for value in (1.0, 1.239, -0.001, 1e3)] == ["1", "1.24", "0", "1000"]


def test_axes_map_corners_to_the_box() -> None:
    axes = Axes(Canvas("k", 100, 80, "t", "d"), (0, 10), (-1, 1), left=10, right=20, top=5, bottom=15, grid=False)
    assert axes.at(0, -1) == (10, 65)
    assert axes.at(10, 1) == (80, 5)
    flat = Axes(Canvas("k", 100, 80, "t", "d"), (3, 3), (0, 0), grid=False)
    assert all(math.isfinite(value) for value in flat.at(3, 0))


def test_training_curves_are_one_figure_a_loss_and_one_line_a_seed() -> None:
    history = [
        {"seed": seed, "stage": stage, "step": step, "loss": 1.0 / (1 + step), "bad": math.nan}
        for seed in (0, 1, 2)
        for stage in ("wgan", "softmax")
        for step in range(500)
    ]
    figures = training_curves(history)
    assert list(figures) == ["wgan", "softmax"]
    (figure,) = figures["wgan"]
    assert figure.title == "loss"
    lines = re.findall(r'class="series" d="([^"]+)"', figure.svg)
    assert len(lines) == 3
    assert all(line.count("L") == 199 for line in lines)  # thinned to 200 points
    assert "begins at 1, ends at 0.002" in figure.svg


def test_single_points_draw_no_curve() -> None:
    assert training_curves([{"stage": "a", "step": 1, "x": 2.0}]) == {}


def test_seen_unseen_curve_marks_the_chosen_point() -> None:
    figure = seen_unseen_curve(np.array([0.0, 40.0]), np.array([50.0, 0.0]), point=(20.0, 25.0), area=0.1234)
    assert 'class="mark"' in figure.svg
    assert "AUSUC 0.123" in figure.caption
    assert "20.0 seen and 25.0 unseen" in figure.svg
    assert 'class="mark"' not in seen_unseen_curve(np.array([0.0, 0.4]), np.array([0.5, 0.0])).svg


def test_feature_map_counts_classes_whose_synthetic_centre_is_nearest_their_own() -> None:
    # Classes at 0, 10 and 20; the third one's synthetic points lie on the first one's real ones.
    xy = np.array([[0, 0], [10, 0], [20, 0], [0, 1], [10, 1], [0, -1]], dtype=float)
    figure = feature_map(xy, np.array([0, 0, 0, 1, 1, 1], bool), np.array([0, 1, 2, 0, 1, 2]), ["a", "b", "c<d"])
    assert "for 2 of 3" in figure.caption
    assert 'data-class="c&lt;d"' in figure.svg
    assert figure.svg.count("dot real") == figure.svg.count("dot synthetic") == 3


def test_confusion_draws_what_is_not_zero_and_lists_the_worst() -> None:
    counts = np.array([[8, 2, 0], [0, 10, 0], [3, 6, 1]])
    figure = confusion_matrix(counts, ["a", "b", "c"])
    assert figure is not None
    assert figure.svg.count('class="cell') == 6
    assert figure.svg.count("cell own") == 3
    assert "63% of the items" in figure.svg  # 19 of 30
    assert confused_pairs(counts, ["a", "b", "c"])[:2] == [("c", "b", 6, 0.6), ("c", "a", 3, 0.3)]
    assert confusion_matrix(np.eye(300), [str(i) for i in range(300)]) is None


def test_deepest_parent_is_taken_and_cycles_are_cut() -> None:
    parents = {0: [3, 1], 1: [2], 2: [3], 5: [6], 6: [5]}
    assert primary_parents([0], parents) == {0: 1, 1: 2, 2: 3}
    cut = primary_parents([5, 6], parents)
    assert cut == {5: 6}


@given(st.integers(1, 60), st.randoms(use_true_random=False))
def test_layout_places_every_node_once_and_apart(count: int, random: object) -> None:
    parents = {i: [random.randrange(count) for _ in range(2)] for i in range(count)}  # type: ignore[attr-defined]
    chosen = primary_parents(range(count), parents)
    for node in range(count):  # no cycle is left
        seen = {node}
        while node in chosen:
            node = chosen[node]
            assert node not in seen
            seen.add(node)
    layout = radial_layout(range(count), chosen, {i: str(i) for i in range(count)})
    assert sorted(layout.order) == list(range(count))
    leaves = [node for node in layout.order if node not in chosen.values()]
    rim = [layout.position[node] for node in leaves]
    assert all(math.hypot(x, y) == pytest.approx(layout.radius) for x, y in rim if len(layout.order) > 1)
    if len(rim) > 1:
        points = np.array(rim)
        apart = np.linalg.norm(points[:, None] - points[None], axis=-1)[~np.eye(len(rim), dtype=bool)].min()
        assert apart > 9.0  # room for a name of 9 px
