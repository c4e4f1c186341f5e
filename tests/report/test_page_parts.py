"""What the columns of a report mean."""

from __future__ import annotations

from kgzsl.report.page_parts import _meaning
from kgzsl.tasks.image_classification._assemble import RETRIEVAL_COLUMNS


def test_columns_of_retrieval_are_explained() -> None:
    assert all(_meaning(column) for column in RETRIEVAL_COLUMNS)
