"""Relations that meet all alike, so that facts do not tell which is whose inverse; an ontology does."""

from __future__ import annotations

import random
from pathlib import Path

import torch

from kgzsl.datasets import KGSplit
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion.inductive import FactGraph, InductiveTask, Ultra

INVERSE_OF = "http://www.w3.org/2002/07/owl#inverseOf"
RELATIONS, PLACES, ASKED = 4, 8, 4


def world(seed: int, relations: int = RELATIONS) -> dict[str, list[tuple[str, str, str]]]:
    """Facts of a training graph and of another that is asked, which lacks some of the ways back: the test."""
    drawn = random.Random(seed)
    parts: dict[str, list[tuple[str, str, str]]] = {"train": [], "msg": [], "test": []}
    for mark, part in (("", "train"), ("x", "msg")):
        for relation in range(relations):
            for here, there in enumerate(drawn.sample(range(PLACES), PLACES)):
                a, b = f"a{here}{mark}", f"b{there}{mark}"
                parts[part].append((a, f"to{relation}", b))
                parts["test" if mark and here < ASKED else part].append((b, f"back{relation}", a))
    return parts


def inverses(relations: int = RELATIONS) -> list[tuple[str, str, str]]:
    """What the ontology says."""
    return [(f"back{number}", INVERSE_OF, f"to{number}") for number in range(relations)]


def split(seed: int) -> KGSplit:
    parts = world(seed)
    return KGSplit.from_names(parts["train"], [], parts["test"], support=parts["msg"], unseen_relations=[])


def schema() -> ClassGraph:
    return ClassGraph.from_triples(inverses())


def write_checkpoint(file: Path) -> str:
    """A small ULTRA that was trained on such worlds, without an ontology."""
    torch.manual_seed(0)
    model, random = Ultra(8, 2, head_queries="direct"), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    tasks = [InductiveTask.training(split(100 + number)) for number in range(6)]
    for step in range(100):
        task = tasks[step % len(tasks)]
        sizes = len(task.entities), len(task.relations)
        rows = torch.randperm(len(task.facts), generator=random)
        asked = task.facts[rows[:8]]
        heads, tails = torch.cat([asked[:, 0], asked[:, 2]]), torch.cat([asked[:, 2], asked[:, 0]])
        directed = torch.cat([asked[:, 1], asked[:, 1] + sizes[1]])
        scores = model(FactGraph(task.facts[rows[8:]], *sizes), heads, directed)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(scores, tails).backward()
        optimizer.step()
    torch.save({"model": model.state_dict()}, file)
    return str(file)
