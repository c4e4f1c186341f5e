"""The page of a run with 200 classes: below 5 MB, whole in itself, readable without seeing."""

from __future__ import annotations

import re

import pytest

from kgzsl.report import render
from kgzsl.tasks.result import RunResult


@pytest.fixture(scope="module")
def page(large: RunResult) -> str:
    return render(large, {})


def test_it_is_below_five_megabytes(page: str) -> None:
    assert len(page.encode()) < 5_000_000
    assert "class number 199" in page


def test_it_loads_nothing_and_names_every_drawing(page: str) -> None:
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", page)
    drawings = re.findall(r'<svg[^>]*role="img"[^>]*>', page)
    assert len(drawings) > 4
    for drawing in drawings:
        (names,) = re.findall(r'aria-labelledby="([^"]+)"', drawing)
        assert all(f'id="{name}"' in page for name in names.split())
    assert '<html lang="en">' in page
