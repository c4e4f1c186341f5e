"""From all subsumptions to those that are direct."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["Inferred", "direct_subsumptions"]


@dataclass
class Inferred:
    """What a reasoner found, by IRI.

    Args:
        subclasses: (lower, upper), direct.
        equivalents: Pairs of equivalent classes.
        types: (individual, class), the most special ones.
        subproperties: (lower, upper), direct.
        unsatisfiable: Classes that nothing can be.
    """

    subclasses: list[tuple[str, str]] = field(default_factory=list)
    equivalents: list[tuple[str, str]] = field(default_factory=list)
    types: list[tuple[str, str]] = field(default_factory=list)
    subproperties: list[tuple[str, str]] = field(default_factory=list)
    unsatisfiable: list[str] = field(default_factory=list)


def direct_subsumptions(
    above: Mapping[int, Iterable[int]],
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(direct subsumptions, equivalences) of a reflexive, transitive order.

    Names that are equivalent are represented by the one with the lowest number, which each other one is paired with;
    subsumptions are between representatives.

    Args:
        above: Name -> all names above it; names outside of the keys are not looked at.
    """
    names = set(above)
    full = {name: {one for one in over if one in names} for name, over in above.items()}
    leader = {name: min([one for one in over if name in full[one]] or [name]) for name, over in full.items()}
    equivalent = [(leader[name], name) for name in sorted(names) if leader[name] != name]
    strict = {name: {leader[one] for one in full[name]} - {name} for name in names if leader[name] == name}
    direct = []
    for name in sorted(strict):
        # Above this name and above something else above it: not direct.
        further: set[int] = set()
        for one in strict[name]:
            further |= strict[one]
        direct += [(name, one) for one in sorted(strict[name] - further)]
    return direct, equivalent
