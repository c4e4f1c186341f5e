"""Memory that was freed goes back to the system before it adds up."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from kgzsl import _memory
from kgzsl._memory import given_back

SCRIPT = """
import sys
from kgzsl._memory import _resident, given_back

begun, kept = _resident(), []
pieces = range(2)
for piece in given_back(pieces, 30_000_000) if "back" in sys.argv else pieces:
    blocks = []
    for number in range(20):
        blocks.append(bytearray(b"x") * 8_000_000)
        # A result that stays above a block, so that what lies below is no end of the heap that could be cut off.
        kept.append(bytearray(b"x") * 4000)
    del blocks
print(_resident() - begun)
"""


def growth(*arguments: str) -> int:
    """Bytes by which a process has grown once all large blocks are freed."""
    # As in one that has freed such blocks before: they come from the heap.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(1 << 25)}
    command = [sys.executable, "-c", SCRIPT, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return int(done.stdout)


@pytest.mark.skipif(_memory._trim() is None, reason="what the C library keeps can be given back under glibc alone")
def test_what_the_c_library_keeps_between_small_results_goes_back():
    assert growth() > 150_000_000
    assert growth("back") < 10_000_000


def test_pieces_are_handed_on_as_they_are(monkeypatch):
    assert list(given_back(iter("abc"), 1)) == ["a", "b", "c"]
    monkeypatch.setattr(_memory, "_trim", lambda: None)
    assert list(given_back(iter("abc"), 1)) == ["a", "b", "c"]


def test_nothing_is_given_back_before_the_process_has_grown_by_the_budget(monkeypatch):
    megabytes, begun, trimmed = iter([100, 150, 161, 140, 180, 190, 201, 130]), [-1], []
    monkeypatch.setattr(_memory, "_resident", lambda: next(megabytes) << 20)
    monkeypatch.setattr(_memory, "_trim", lambda: lambda _: trimmed.append(begun[0]))
    # 100 + 60: not at 150, at 161, whereupon 140 + 60: not at 180 and 190, at 201.
    for begun[0] in given_back(range(5), 60 << 20):
        pass
    assert trimmed == [1, 4]


def test_a_budget_of_nothing_does_not_give_back_every_page(monkeypatch):
    page = 4096
    grown, trimmed = iter([0, page, 2 * page, (1 << 20) + page, 0, page]), []
    monkeypatch.setattr(_memory, "_resident", lambda: next(grown))
    monkeypatch.setattr(_memory, "_trim", lambda: trimmed.append)
    list(given_back(range(4), 1))
    assert trimmed == [0]


def test_work_that_ends_early_ends_what_it_was_made_of():
    ended = []

    def pieces():
        try:
            yield from range(3)
        finally:
            ended.append(True)

    for _ in given_back(pieces(), 1):
        break
    assert ended == [True]
