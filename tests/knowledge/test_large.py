"""Large arrays outside the heap: what numpy would give, in memory of its own."""

from __future__ import annotations

import mmap

import numpy as np
import pytest

from kgzsl.knowledge import _large


@pytest.mark.parametrize("count", [0, 5, _large._PART + 3, _large._LEAST])
def test_each_equals_numpys_own(count: int) -> None:
    random = np.random.default_rng(0)
    table, ids = random.integers(0, 99, 1000), random.integers(0, 1000, count)
    blocks = np.array_split(ids.astype(np.int32), 3)
    np.testing.assert_array_equal(_large.joined(blocks, np.int32), ids)
    np.testing.assert_array_equal(_large.taken(table, ids), table[ids])
    marked, expected = _large.mark(np.zeros(1000, bool), ids), np.zeros(1000, bool)
    expected[ids] = True
    np.testing.assert_array_equal(marked, expected)
    wanted = table[ids]
    _large.look_up(table, ids)
    np.testing.assert_array_equal(ids, wanted)


def test_a_large_array_has_pages_of_its_own_and_a_small_one_has_not() -> None:
    def owner(array: np.ndarray) -> object:
        while isinstance(array.base, np.ndarray):
            array = array.base
        return array.base.obj if isinstance(array.base, memoryview) else array.base

    assert isinstance(owner(_large.empty((2, _large._LEAST), np.int64)), mmap.mmap)
    assert owner(_large.empty((2, 3), np.int64)) is None
    assert _large.empty((2, _large._LEAST), np.int32).flags.writeable
