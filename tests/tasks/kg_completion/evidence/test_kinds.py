"""Kinds of entities, kept with a model."""

from __future__ import annotations

from pathlib import Path

import torch

from kgzsl.engine import load_tree, save_tree
from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds


def test_kinds_domains_and_ranges_come_back_from_a_file(tmp_path: Path) -> None:
    yes_no = torch.tensor([True, False, True])
    kinds = EntityKinds(("", "city", "land"), torch.tensor([2, 1, 1, 0]), {3: yes_no}, {0: ~yes_no, 12: yes_no})
    save_tree(tmp_path / "kinds.safetensors", {"beside": torch.zeros(1), **kinds.state()})
    back = EntityKinds.from_state(["", "city", "land"], load_tree(tmp_path / "kinds.safetensors"))
    assert back.names == kinds.names
    assert torch.equal(back.of, kinds.of)
    for kept, was in ((back.domain, kinds.domain), (back.range, kinds.range)):
        assert list(kept) == list(was)
        assert all(torch.equal(kept[relation], was[relation]) for relation in was)
