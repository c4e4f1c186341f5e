"""Weights of ULTRA's shape, drawn at random."""

from __future__ import annotations

import pytest
import torch

from kgzsl.tasks.kg_completion.inductive import Ultra


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    file = tmp_path / "ultra.pth"
    torch.save({"model": Ultra(8, 2).state_dict()}, file)
    return str(file)
