"""The axioms that a geometric embedding makes a model of: EL++ normal forms over sorted concepts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from kgzsl.errors import InputError
from kgzsl.knowledge.normal_forms import NormalForms
from kgzsl.priors._closure import reach
from kgzsl.priors._vocabulary import ANNOTATION, DISJOINT, EQUIVALENT, HIERARCHY, mask_of

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["WIDTHS", "Axioms"]

Int = npt.NDArray[np.int64]

WIDTHS = {
    "gci0": 2,
    "gci1": 3,
    "gci2": 3,
    "gci3": 3,
    "gci0_bot": 1,
    "gci1_bot": 2,
    "gci3_bot": 2,
    "role_inclusion": 2,
    "role_chain": 3,
}
"""Form -> number of columns; what the columns are is said by :class:`kgzsl.knowledge.normal_forms.NormalForms`."""

_ROLES = {"gci2": (1,), "gci3": (0,), "gci3_bot": (0,), "role_inclusion": (0, 1), "role_chain": (0, 1, 2)}
_SILENT = (*ANNOTATION, "first", "rest", "nil", "disjointUnionOf")


@dataclass(frozen=True)
class Axioms:
    """Axioms over concepts and roles that are sorted by IRI, so that the numbering of a graph leaves no trace.

    Args:
        forms: Form -> int64 [n, columns], rows sorted; every form of :data:`WIDTHS` is there.
        concepts: Names of the concepts: the graph's nodes first, then what only the ontology names.
        roles: Names of the roles.
        nodes: int64 [N], the graph's node behind each of the first N concepts.
        position: int64 [N], the concept of each of the graph's nodes.
    """

    forms: Mapping[str, Int]
    concepts: tuple[str, ...]
    roles: tuple[str, ...]
    nodes: Int
    position: Int

    @classmethod
    def of(cls, graph: ClassGraph, ontology: NormalForms | str | os.PathLike[str] | None = None) -> Axioms:
        """Those that ``graph`` says, or those of ``ontology`` whose classes are found among the nodes by IRI.

        Of a graph: an edge upwards (subClassOf, subPropertyOf, broader, type) is C ⊑ D, an equivalence goes both
        ways, disjointness is C ⊓ D ⊑ ⊥, and every other edge (C, r, D) is C ⊑ ∃r.D, as projections write
        existential restrictions.

        Args:
            graph: The class graph.
            ontology: Normal forms, or the ontology to read them from: these keep conjunctions, ∃r.C ⊑ D, chains.

        Raises:
            InputError: There is no axiom, or the ontology names none of the graph's nodes.
        """
        nodes = np.array(sorted(range(graph.num_nodes), key=graph.iris.__getitem__), dtype=np.int64)
        position = np.empty_like(nodes)
        position[nodes] = np.arange(len(nodes))
        names = tuple(graph.iris[node] for node in nodes)
        if ontology is None:
            made = _of_graph(graph, names, nodes, position)
        else:
            forms = ontology if isinstance(ontology, NormalForms) else NormalForms.read(ontology)
            made = _of_forms(forms, names, nodes, position)
        if not any(len(rows) for rows in made.forms.values()):
            raise InputError(
                "the class graph has no axiom to learn from",
                remedy="read it with another projection, or use a text prior",
            )
        return made

    @property
    def num_concepts(self) -> int:
        """C."""
        return len(self.concepts)

    def __len__(self) -> int:
        """How many axioms."""
        return sum(len(rows) for rows in self.forms.values())

    def mentioned(self) -> npt.NDArray[np.bool_]:
        """bool [C]: which concepts are in an axiom."""
        seen = np.zeros(self.num_concepts, dtype=bool)
        for form, rows in self.forms.items():
            for column in range(WIDTHS[form]):
                if column not in _ROLES.get(form, ()):
                    seen[rows[:, column]] = True
        return seen

    def hold_out(self, share: float, random: np.random.Generator) -> tuple[Axioms, Int]:
        """Put about ``share`` of the subsumptions between named concepts aside; both ends stay in other axioms.

        Returns:
            What is left, and int64 [H, 2] what was put aside.
        """
        pairs = self.forms["gci0"]
        counts = np.zeros(self.num_concepts, dtype=np.int64)
        for form, rows in self.forms.items():
            for column in range(WIDTHS[form]):
                if column not in _ROLES.get(form, ()):
                    counts += np.bincount(rows[:, column], minlength=self.num_concepts)
        named = (pairs < len(self.nodes)).all(axis=1)
        wanted = round(share * int(named.sum()))
        held: list[int] = []
        for row in random.permutation(np.flatnonzero(named)).tolist():
            if len(held) >= wanted:
                break
            below, above = pairs[row]
            if counts[below] > 1 and counts[above] > 1:
                counts[below] -= 1
                counts[above] -= 1
                held.append(row)
        keep = np.ones(len(pairs), dtype=bool)
        keep[held] = False
        return replace(self, forms={**self.forms, "gci0": pairs[keep]}), pairs[np.sort(held)].reshape(-1, 2)

    def closure(self, more: Int | None = None) -> Int:
        """int64 [K], sorted: ``C * below + above`` of every pair that the subsumptions C ⊑ D lead to.

        Args:
            more: int64 [n, 2], subsumptions to add.
        """
        pairs = self.forms["gci0"] if more is None else np.concatenate([self.forms["gci0"], more])
        rows, found, hops = reach(np.arange(self.num_concepts), pairs.T, self.num_concepts)
        keep = hops > 0
        keep &= rows != found
        return np.unique(rows[keep] * self.num_concepts + found[keep])

    def with_roles(self, roles: tuple[str, ...]) -> Axioms:
        """The same axioms with roles numbered as in ``roles``, which has all of them."""
        place = {role: number for number, role in enumerate(roles)}
        at = np.array([place[role] for role in self.roles], dtype=np.int64)
        forms = {form: rows.copy() for form, rows in self.forms.items()}
        for form, columns in _ROLES.items():
            for column in columns:
                forms[form][:, column] = at[forms[form][:, column]]
        return replace(self, forms=forms, roles=roles)

    def of_concepts(self, chosen: npt.NDArray[np.bool_]) -> Axioms:
        """Those axioms in which one of ``chosen`` (bool [C]) is."""
        forms = {}
        for form, rows in self.forms.items():
            columns = [column for column in range(WIDTHS[form]) if column not in _ROLES.get(form, ())]
            forms[form] = rows[chosen[rows[:, columns]].any(axis=1)] if columns else rows[:0]
        return replace(self, forms=forms)

    def beside(self, new: npt.NDArray[np.bool_]) -> Any:
        """SciPy CSR [C, C], rows sum to 1 or are empty: which old concepts stand in an axiom with each of ``new``."""
        found = [np.empty((0, 2), np.int64)]
        for form, rows in self.of_concepts(new).forms.items():
            columns = [column for column in range(WIDTHS[form]) if column not in _ROLES.get(form, ())]
            found += [rows[:, [one, other]] for one in columns for other in columns if one != other]
        ends = np.concatenate(found)
        ends = ends[new[ends[:, 0]] & ~new[ends[:, 1]]]
        size = self.num_concepts
        table = sparse.csr_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(size, size))
        total: npt.NDArray[np.float64] = np.asarray(table.sum(axis=1)).ravel()
        return sparse.csr_array(sparse.diags_array(1 / np.where(total > 0, total, 1)) @ table)


def _sorted(rows: list[Int], width: int) -> Int:
    return np.unique(np.concatenate([np.empty((0, width), np.int64), *rows]), axis=0)


def _of_graph(graph: ClassGraph, names: tuple[str, ...], nodes: Int, position: Int) -> Axioms:
    relations = graph.relations
    up = mask_of(relations, (*HIERARCHY, "type"))
    same, apart, silent = (mask_of(relations, kind) for kind in (EQUIVALENT, DISJOINT, _SILENT))
    kinds = graph.edge_type
    pairs = position[graph.edge_index].T
    rest = ~(up | same | apart | silent)[kinds]
    used = sorted({relations[kind] for kind in np.unique(kinds[rest]).tolist()})
    rank = {relation: number for number, relation in enumerate(used)}
    renumber = np.array([rank.get(relation, -1) for relation in relations], dtype=np.int64)
    above = pairs[up[kinds]]
    alike = pairs[same[kinds]]
    off = np.sort(pairs[(apart & ~silent)[kinds]], axis=1)
    forms = {form: np.empty((0, width), np.int64) for form, width in WIDTHS.items()}
    taxonomy = _sorted([above, alike, alike[:, ::-1]], 2)
    forms["gci0"] = taxonomy[taxonomy[:, 0] != taxonomy[:, 1]]
    off = _sorted([off], 2)
    forms["gci1_bot"] = off[off[:, 0] != off[:, 1]]
    roles = np.stack([pairs[rest][:, 0], renumber[kinds[rest]], pairs[rest][:, 1]], axis=1)
    forms["gci2"] = _sorted([roles], 3)
    # What is below what among the relations holds of the roles too.
    place = {name: number for number, name in enumerate(names)}
    at = {place[name]: number for name, number in rank.items() if name in place}
    below = [(at[a], at[b]) for a, b in forms["gci0"].tolist() if a in at and b in at]
    forms["role_inclusion"] = np.array(below, np.int64).reshape(-1, 2)
    return Axioms(forms, names, tuple(used), nodes, position)


def _of_forms(ontology: NormalForms, names: tuple[str, ...], nodes: Int, position: Int) -> Axioms:
    place = {name: number for number, name in enumerate(names)}
    found = [place.get(name, -1) for name in ontology.names]
    if max(found, default=-1) < 0:
        raise InputError(
            "the ontology names none of the nodes of the class graph",
            remedy="give the ontology that the graph was read from",
        )
    others = sorted(name for name, number in zip(ontology.names, found, strict=True) if number < 0)
    extra = {name: len(names) + number for number, name in enumerate(others)}
    concept = np.array([extra[name] if at < 0 else at for name, at in zip(ontology.names, found, strict=True)])
    roles = sorted(ontology.relations)
    rank = {name: number for number, name in enumerate(roles)}
    role = np.array([rank[name] for name in ontology.relations], dtype=np.int64)
    forms = {}
    for form, width in WIDTHS.items():
        rows = ontology.forms[form]
        columns = [
            role[rows[:, column]] if column in _ROLES.get(form, ()) else concept[rows[:, column]]
            for column in range(width)
        ]
        forms[form] = _sorted([np.stack(columns, axis=1).reshape(-1, width)], width)
    return Axioms(forms, (*names, *others), tuple(roles), nodes, position)
