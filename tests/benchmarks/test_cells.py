"""Rows of the long tables: which stand, which are measured again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kgzsl.benchmarks import cells
from kgzsl.errors import InputError


@pytest.fixture(autouse=True)
def slow_cell_is_found(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)


def key(row):
    return row["name"]


def test_rows_are_read_back_and_the_last_of_a_key_counts(tmp_path):
    kept = tmp_path / "deep" / "table.jsonl"
    assert cells.read_rows(kept, key) == {}
    for row in ({"name": "a", "mrr": 1}, {"name": "b", "mrr": 2}, {"name": "a", "mrr": 3}):
        cells.keep_row(kept, row)
    assert cells.read_rows(kept, key) == {"a": {"name": "a", "mrr": 3}, "b": {"name": "b", "mrr": 2}}


def test_half_a_line_at_the_end_is_passed_over_and_a_broken_one_before_it_is_refused(tmp_path):
    kept = tmp_path / "table.jsonl"
    kept.write_text('{"name": "a"}\n{"name": "b", "m')
    assert list(cells.read_rows(kept, key)) == ["a"]
    kept.write_text('{"name": "a"}\n{"other": 1}\n{"name": "b"}\n')
    with pytest.raises(InputError, match=r"line 2: this is no record of the table"):
        cells.read_rows(kept, key)


def test_a_crash_is_tried_again_and_a_slow_cell_when_it_may_take_longer():
    assert not cells.is_done(None, 10)
    assert cells.is_done({"mrr": 0.5}, 10)
    assert cells.is_done({"problem": "no taxonomy"}, 10)
    crashed = cells.measured_apart("kgzsl.no_such_module", {}, 60)
    assert "failed: ModuleNotFoundError" in crashed["problem"]
    assert not cells.is_done(crashed, 10)
    slow = cells.measured_apart("slow_cell", {"sleep": 60}, 0.001)
    assert "ended after" in slow["problem"]
    assert cells.is_done(slow, 0.001)
    assert not cells.is_done(slow, 20)


def test_a_cell_is_a_process_of_its_own_and_one_that_dies_is_told_by_its_status():
    module = "slow_cell"
    one, two = (cells.measured_apart(module, {"sleep": 0}, 60)["process"] for _ in range(2))
    assert len({one, two, os.getpid()}) == 3
    dead = cells.measured_apart(module, {"die": 3}, 60)
    assert dead == {"problem": "failed with status 3", "limit": 0}
    assert cells.measured_apart(module, {"refuse": "no taxonomy"}, 60) == {"problem": "no taxonomy"}
