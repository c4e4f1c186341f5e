"""The amounts between the two ends of given pairs, without those between an anchor and every entity."""

from __future__ import annotations

import torch
from torch import Tensor

from kgzsl.tasks.kg_completion._ranges import ranges
from kgzsl.tasks.kg_completion.pair_encoder import walk_strength
from kgzsl.tasks.kg_completion.pair_graph import PairGraph

__all__ = ["amounts_of_pairs"]

# What one step of a walk takes while it is looked up: rows, columns, keys, places, values.
_BYTES = 64
# More at a time is slower, whatever the budget: glibc hands tensors above 32 MiB to the system when they are freed, and
# each new one is paid for in page faults; and what was written has left the cache when it is read.
_ENOUGH = 32 * 2**20


def amounts_of_pairs(
    graph: PairGraph, heads: Tensor, tails: Tensor, nearness: Tensor, *, budget: int = 256 * 2**20
) -> Tensor:
    """The first five of ``AMOUNTS`` of each pair: what ``amounts`` of the pair encoder says of it.

    Walks are met in the middle: the neighbours of the end that has fewer second neighbours are followed one step on,
    and looked up among the neighbours of the other end. It takes as much time and memory as there are such steps,
    however many entities there are.

    Args:
        graph: The arcs.
        heads: int64 [P].
        tails: int64 [P].
        nearness: float [R].
        budget: Bytes that it may take at a time; on the CPU it takes 32 MiB at most.

    Returns:
        float32 [P, 5].
    """
    steps = graph.keep("steps", nearness, lambda: _Steps(graph, nearness))
    # The matrices are symmetric, so that a walk may begin at either end.
    turned = steps.second[tails] < steps.second[heads]
    near, far = torch.where(turned, tails, heads), torch.where(turned, heads, tails)
    # One number for what is followed and looked up, so that chunks have the same size.
    budget = min(budget, _ENOUGH) if graph.device.type == "cpu" else budget
    cost = (steps.second[near] + steps.size[near] + steps.size[far] + 1).cumsum(0)
    chunk = torch.div(cost, max(1, budget // _BYTES), rounding_mode="floor")
    sizes = torch.unique_consecutive(chunk, return_counts=True)[1].tolist()
    parts = [steps.walks(*both) for both in zip(torch.split(near, sizes), torch.split(far, sizes), strict=True)]
    walks = torch.cat(parts) if parts else heads.new_zeros(0, 4, dtype=torch.float32)
    walks[heads == tails] = 0
    kinds = torch.cat([nearness, 0.9 * nearness]).to(graph.device, torch.float32)
    row, kind = graph.links(heads, tails)
    link = torch.zeros(len(heads), device=graph.device).index_add_(0, row, kinds[kind])
    walks = walk_strength(walks)
    return torch.stack([*walks[:, :3].unbind(dim=1), link, walks[:, 3]], dim=1)


class _Steps:
    """Single steps of walks: rows of ``N`` and of the same matrix weighted by nearness, with their columns in order."""

    def __init__(self, graph: PairGraph, nearness: Tensor) -> None:
        self.entities = graph.num_entities
        self.starts, self.target, self.plain, self.weighted = graph.steps(nearness)
        self.size = self.starts[1:] - self.starts[:-1]
        source = torch.repeat_interleave(torch.arange(self.entities, device=graph.device), self.size)
        # How many steps lead on from the neighbours of each entity.
        self.second = torch.zeros_like(self.size).index_add_(0, source, self.size[self.target])

    def walks(self, near: Tensor, far: Tensor) -> Tensor:
        """Walks of one, two and three steps, and those of two by nearness: float32 [P, 4]."""
        count = len(near)
        row, entry = ranges(self.starts[near], self.size[near])
        other, column = ranges(self.starts[far], self.size[far])
        keys = other * self.entities + self.target[column]
        middle = self.target[entry]
        found = torch.zeros(4, count, device=near.device)
        one, place = self._matches(keys, torch.arange(count, device=near.device) * self.entities + near)
        # N is symmetric: the entry of (far, near) is the one of (near, far).
        found[0].index_add_(0, one, self.plain[column[place]])
        of_row = row * self.entities
        hit, place = self._matches(keys, of_row + middle)
        begun, ended = entry[hit], column[place]
        found[1].index_add_(0, row[hit], self.plain[begun] * self.plain[ended])
        both = self.weighted[begun] * self.plain[ended] + self.plain[begun] * self.weighted[ended]
        found[3].index_add_(0, row[hit], both / 2)
        follow, onward = ranges(self.starts[middle], self.size[middle])
        hit, place = self._matches(keys, of_row[follow].add_(self.target[onward]))
        begun, between, ended = entry[follow[hit]], onward[hit], column[place]
        found[2].index_add_(0, row[follow[hit]], self.plain[begun] * self.plain[between] * self.plain[ended])
        return found.T.contiguous()

    @staticmethod
    def _matches(keys: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Which of ``wanted`` are among the sorted distinct ``keys``, and where."""
        if not len(keys):
            return keys, keys
        place = torch.searchsorted(keys, wanted).clamp_(max=len(keys) - 1)
        hit = torch.nonzero(keys[place] == wanted).squeeze(1)
        return hit, place[hit]
