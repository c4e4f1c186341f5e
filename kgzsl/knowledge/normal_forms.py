"""An ontology in the normal forms of EL++, as integer arrays: what geometric embeddings and the EL reasoner work on."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kgzsl._files import atomic_file
from kgzsl.errors import InputError
from kgzsl.knowledge._archives import DAMAGE, check_size, read_array
from kgzsl.knowledge.account import Account
from kgzsl.knowledge.triples import Triples

__all__ = ["NormalForms"]

IntArray = npt.NDArray[np.int64]
_FORMS = {
    "gci0": "{0} ⊑ {1}",
    "gci1": "{0} ⊓ {1} ⊑ {2}",
    "gci2": "{0} ⊑ ∃{1}.{2}",
    "gci3": "∃{0}.{1} ⊑ {2}",
    "gci0_bot": "{0} ⊑ ⊥",
    "gci1_bot": "{0} ⊓ {1} ⊑ ⊥",
    "gci3_bot": "∃{0}.{1} ⊑ ⊥",
    "role_inclusion": "{0} ⊑ {1}",
    "role_chain": "{0} ∘ {1} ⊑ {2}",
}
#: Which columns hold relations; the others hold classes.
_ROLES = {"gci2": (1,), "gci3": (0,), "gci3_bot": (0,), "role_inclusion": (0, 1), "role_chain": (0, 1, 2)}
_HEADER = "kgzsl-normal-forms.json"


@dataclass(frozen=True)
class NormalForms:
    """Axioms of EL++ in normal form (Baader, Brandt, Lutz: Pushing the EL envelope, IJCAI 2005, section 3).

    Nested expressions have fresh names, so that the result is a conservative extension of the part of the ontology
    that EL++ can express: it says the same about the names of the ontology, no more and no less. What EL++ cannot
    express is in the account, with the reason. Individuals stand as nominals (classes with one member).

    Args:
        names: Classes, nominals and fresh names; 0 is owl:Thing, 1 owl:Nothing.
        kinds: int8 [C]: 0 a class, 1 the nominal of an individual, 2 a fresh name.
        relations: Relations; fresh ones are called ``urn:kgzsl:fresh-relation:...``.
        gci0: int64 [n, 2], C ⊑ D.
        gci1: int64 [n, 3], C ⊓ D ⊑ E.
        gci2: int64 [n, 3], C ⊑ ∃r.D as (C, r, D).
        gci3: int64 [n, 3], ∃r.C ⊑ D as (r, C, D).
        gci0_bot: int64 [n, 1], C ⊑ ⊥.
        gci1_bot: int64 [n, 2], C ⊓ D ⊑ ⊥.
        gci3_bot: int64 [n, 2], ∃r.C ⊑ ⊥ as (r, C).
        role_inclusion: int64 [n, 2], r ⊑ s.
        role_chain: int64 [n, 3], r ∘ s ⊑ t.
        account: Axioms in; rows out (its edges); what was dropped, in whole or part, and why.
        provenance: Where it came from.
    """

    names: tuple[str, ...]
    kinds: npt.NDArray[np.int8]
    relations: tuple[str, ...]
    gci0: IntArray
    gci1: IntArray
    gci2: IntArray
    gci3: IntArray
    gci0_bot: IntArray
    gci1_bot: IntArray
    gci3_bot: IntArray
    role_inclusion: IntArray
    role_chain: IntArray
    account: Account = field(default_factory=Account)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, source: Any, format: str | None = None, *, individuals: bool = True, **options: Any) -> NormalForms:  # noqa: A002
        """Read an ontology and normalise it.

        Args:
            source: As for ``ClassGraph.read``.
            format: The format, where the name of the file does not tell.
            individuals: Whether assertions about individuals are taken, as axioms about nominals.
            options: Of :class:`kgzsl.knowledge.readers.ReadOptions` (``imports=``, ``catalogue=``, ``lenient=`` ...).

        Raises:
            InputError: The source cannot be read.
        """
        from kgzsl.knowledge.readers import ReadOptions, read_triples

        reading = read_triples(source, format, ReadOptions(**options))
        return cls.from_triples(reading.triples, individuals=individuals, provenance=reading.provenance)

    @classmethod
    def from_triples(
        cls, triples: Triples, *, individuals: bool = True, provenance: Mapping[str, Any] | None = None
    ) -> NormalForms:
        """Normalise an ontology that was read already."""
        from kgzsl.knowledge.normalising import normalise

        rows, account = normalise(triples, individuals=individuals)
        return cls(
            tuple(rows.names),
            np.array(rows.kinds, np.int8),
            tuple(rows.relations),
            **rows.arrays(),
            account=account,
            provenance=dict(provenance or {}),
        )

    @property
    def forms(self) -> dict[str, IntArray]:
        """Form -> its array."""
        return {form: getattr(self, form) for form in _FORMS}

    def __len__(self) -> int:
        return sum(len(array) for array in self.forms.values())

    def __repr__(self) -> str:
        parts = ", ".join(f"{len(array):,} {form}" for form, array in self.forms.items() if len(array))
        return f"NormalForms({len(self.names):,} names, {len(self.relations):,} relations; {parts})"

    def lines(self, limit: int | None = None) -> list[str]:
        """The axioms in words, for looking at.

        Args:
            limit: At most so many of each form.
        """
        from kgzsl.knowledge.texts import local_name

        found = []
        for form, array in self.forms.items():
            roles = _ROLES.get(form, ())
            for row in array[:limit].tolist():
                parts = [
                    local_name(self.relations[one] if column in roles else self.names[one])
                    for column, one in enumerate(row)
                ]
                found.append(_FORMS[form].format(*parts))
        return found

    def class_numbers(self, iris: Sequence[str]) -> IntArray:
        """int64 [len(iris)]: the numbers of classes; -1 where the ontology has none of that name."""
        table = {
            name: number for number, (name, kind) in enumerate(zip(self.names, self.kinds, strict=True)) if not kind
        }
        return np.array([table.get(iri, -1) for iri in iris], np.int64)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one file; :meth:`load` reads it back exactly, and unpickles nothing.

        Raises:
            InputError: The file cannot be written.
        """
        header = {
            "names": self.names,
            "relations": self.relations,
            "account": self.account.to_dict(),
            "provenance": dict(self.provenance),
        }
        with atomic_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(_HEADER, json.dumps(header, ensure_ascii=False))
            arrays: dict[str, npt.NDArray[Any]] = {"kinds": self.kinds, **self.forms}
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w") as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> NormalForms:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: The file is missing or something else.
        """
        file = Path(path)
        try:
            with zipfile.ZipFile(file) as archive:
                check_size(archive, file)
                header = json.loads(archive.read(_HEADER))
                arrays: dict[str, Any] = {name: read_array(archive, f"{name}.npy") for name in ("kinds", *_FORMS)}
            return cls(
                names=tuple(header["names"]),
                relations=tuple(header["relations"]),
                account=Account.from_dict(header["account"]),
                provenance=header["provenance"],
                **arrays,
            )
        except InputError:
            raise
        except DAMAGE as error:
            raise InputError(
                f"this is no file of normal forms ({error.__class__.__name__})",
                file=file,
                remedy="make it with NormalForms.read(ontology).save(path)",
            ) from error
