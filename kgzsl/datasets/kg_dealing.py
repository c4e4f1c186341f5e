"""Facts dealt out one by one: every entity and relation of validation and test is one that training shows."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path

from kgzsl.datasets.kg_facts import find_facts, labels_of
from kgzsl.datasets.kg_names import Triple, split_from_names
from kgzsl.datasets.kg_relations import only_relations, relation_names
from kgzsl.datasets.kg_split import KGSplit
from kgzsl.datasets.kg_types import with_told
from kgzsl.errors import InputError

__all__ = ["deal", "read_dealt"]


def read_dealt(
    source: str | PathLike[str],
    hold_out: float,
    *,
    seed: int = 0,
    relations: Sequence[str] | str | None = None,
    order: str = "hrt",
    name: str | None = None,
    graph_source: str | None = None,
) -> KGSplit:
    """A knowledge graph from facts that nobody has split, for relations that training shows.

    The order of the facts in the file leaves no trace, and repeated ones count once.

    Args:
        source: What :func:`kgzsl.datasets.kg_facts.read_unsplit` reads.
        hold_out: See :func:`deal`.
        seed: See :func:`deal`.
        relations: Only these count as facts: names, a file of them, or text. Left out: all.
        order: What the three fields of a line of a table are.
        name: What to call the data set; by default the file's name.
        graph_source: Path of the schema; by default as there.

    Raises:
        InputError: No such share can be held out, or the file is missing or damaged.
    """
    file = Path(source)
    _check_share(hold_out, file)
    wanted = None if relations is None else relation_names(relations, "relations")
    found = find_facts(file, order=order, asked=wanted or ())
    facts = only_relations(found.facts, wanted, file, labels_of(graph_source or found.graph_source))
    notes = list(found.notes)
    train, valid, test = deal(facts, hold_out, seed=seed, file=file)
    asked = round(hold_out * len(facts))
    notes.append(
        f"{len(test)} facts are held out for the test and {len(valid)} for validation, of relations that training "
        f"shows (share {hold_out:g} each, seed {seed})"
    )
    if len(test) + len(valid) < 2 * asked:
        notes.append(
            f"the share would be {asked} facts for each; without any other, training would lack an entity or a relation"
        )
    split = split_from_names(
        train,
        valid,
        test,
        unseen_relations=(),
        valid_relations=(),
        name=name or found.name,
        notes=notes,
        graph_source=graph_source or found.graph_source,
        source=str(file),
    )
    types = {entity: tuple(sorted(kinds)) for entity, kinds in found.types.items()}
    return with_told(split, types, of_others=False)


def deal(
    facts: Iterable[Triple], share: float, *, seed: int = 0, file: str | PathLike[str] | None = None
) -> tuple[list[Triple], list[Triple], list[Triple]]:
    """Split facts so that validation and test have no entity and no relation that training lacks.

    The facts are gone through in an order that hangs on the seed and on their names alone. Each is held out, for the
    test and for validation by turns, unless it is the last one in training of its head, its tail or its relation.

    Args:
        facts: (head, relation, tail) names; repeated ones count once.
        share: The part of all facts that goes to the test, and again to validation: above 0 and below 0.5.
        seed: Of the order.
        file: Where the facts come from, for messages.

    Returns:
        Training, validation and test facts, each sorted by name. Fewer are held out than asked for where all others are
        needed in training.

    Raises:
        InputError: The share is none, is less than one fact, or no fact can be spared.
    """
    _check_share(share, file)
    drawn = sorted(set(facts), key=lambda fact: hashlib.sha256(repr((seed, *fact)).encode()).digest())
    wanted = 2 * round(share * len(drawn))
    if not wanted:
        least = math.ceil(100 / len(drawn)) / 100 if drawn else 1.0
        enough = f"or hold a larger share out, such as {least:g}" if least < 0.5 else "three are the least"
        raise InputError(
            f"{share:g} of {len(drawn)} facts is less than one",
            file=file,
            place="hold_out",
            remedy=f"give more facts, {enough}",
        )
    entities = Counter(end for head, _, tail in drawn for end in {head, tail})
    relations = Counter(relation for _, relation, _ in drawn)
    held_out: list[Triple] = []
    train: list[Triple] = []
    for fact in drawn:
        head, relation, tail = fact
        spare = entities[head] > 1 and entities[tail] > 1 and relations[relation] > 1
        if len(held_out) == wanted or not spare:
            train.append(fact)
            continue
        held_out.append(fact)
        entities.subtract({head, tail})
        relations[relation] -= 1
    if not held_out:
        raise InputError(
            f"none of the {len(drawn)} facts can be held out: each is the only one of an entity or a relation",
            file=file,
            place="hold_out",
            remedy="give more facts of the same entities and relations, or name unseen relations",
        )
    return sorted(train), sorted(held_out[1::2]), sorted(held_out[::2])


def _check_share(share: float, file: str | PathLike[str] | None) -> None:
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 0.5:
        raise InputError(
            f"the share {share!r} does not lie above 0 and below 0.5",
            file=file,
            place="hold_out",
            remedy="try 0.1: as much goes to the test, and again to validation",
        )
