"""One vector per class: what knowledge says about it, and how the vector was made."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from kgzsl._files import atomic_file
from kgzsl.errors import InputError, nearest

if TYPE_CHECKING:
    import torch

__all__ = ["ClassPriors"]

_FORMAT = "kgzsl.class_priors/1"


@dataclass(frozen=True, eq=False, repr=False)
class ClassPriors:
    """Class vectors, their names, and how they were made.

    Args:
        names: The C class (or relation) names, each once.
        matrix: Real numbers [C, D], finite; kept as a read-only float32 copy.
        made: How the vectors were made, JSON-able. ``made["columns"]`` names the D columns where they have a meaning.

    Raises:
        InputError: A wrong shape, NaN or infinite values, a name given twice, or a ``made`` that is not JSON-able.
    """

    names: tuple[str, ...]
    matrix: npt.NDArray[np.float32]
    made: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = tuple(str(name) for name in self.names)
        matrix = _checked(np.asarray(self.matrix), names)
        try:
            made = json.loads(json.dumps(dict(self.made)))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"what is told about how the priors were made cannot be written as JSON: {error}",
                remedy="keep numbers, texts, lists and dictionaries there",
            ) from None
        columns = made.get("columns")
        if columns is not None and len(columns) != matrix.shape[1]:
            raise InputError(f"{len(columns)} column names for {matrix.shape[1]} columns of class priors")
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "made", made)
        object.__setattr__(self, "_rows", {name: row for row, name in enumerate(names)})

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def __repr__(self) -> str:
        how = self.made.get("encoder") or self.made.get("source") or "given"
        return f"ClassPriors({len(self)} classes, {self.dim} dimensions, made by {how})"

    @property
    def dim(self) -> int:
        """D, the length of a class's vector."""
        return int(self.matrix.shape[1])

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names of the D columns, where they have a meaning of their own."""
        columns = self.made.get("columns")
        return None if columns is None else tuple(columns)

    @property
    def named(self) -> npt.NDArray[np.bool_]:
        """bool [D]: which columns have a name that means something; of joined vectors the other parts' have none."""
        if self.columns is None:
            return np.zeros(self.dim, dtype=bool)
        found: list[bool] = []
        parts: list[dict[str, Any]] = self.made.get("parts") or [{"dim": self.dim, "how": {}}]
        for part in parts:
            own = self.columns[len(found) : len(found) + part["dim"]]
            counted = [f"{part['how'].get('encoder', 'given')} {number}" for number in range(part["dim"])]
            found += [list(own) != counted] * part["dim"]
        return np.array(found) if len(found) == self.dim else np.ones(self.dim, dtype=bool)

    @property
    def _index(self) -> dict[str, int]:
        rows: dict[str, int] = self.__dict__["_rows"]
        return rows

    def __getitem__(self, name: str) -> npt.NDArray[np.float32]:
        """The vector of the class ``name``, float32 [D], read-only."""
        row: npt.NDArray[np.float32] = self.matrix[self._index_of([name])[0]]
        return row

    def align(self, names: Iterable[str]) -> ClassPriors:
        """The same vectors in the order of ``names``.

        Args:
            names: Class names, each once.

        Raises:
            InputError: Some classes have no vector here; all of them are named, with the nearest known names.
        """
        wanted = tuple(names)
        return ClassPriors(wanted, self.matrix[self._index_of(wanted)], self.made)

    def __or__(self, other: ClassPriors) -> ClassPriors:
        """Concatenate: the columns of ``self``, then those of ``other``, for the classes of ``self``.

        Raises:
            InputError: The two do not have the same classes.
        """
        if not isinstance(other, ClassPriors):
            return NotImplemented
        extra = [name for name in other.names if name not in self]
        if extra:
            raise InputError(
                f"the priors to be joined have different classes: only the second has {_listed(extra, self.names)}",
                remedy="align both to the same class names first",
            )
        right = other.align(self.names)
        parts = [*self._parts(), *right._parts()]
        made: dict[str, Any] = {"encoder": " | ".join(part["how"].get("encoder", "given") for part in parts)}
        made["parts"] = parts
        if self.columns is not None or right.columns is not None:
            made["columns"] = [*self._column_names(), *right._column_names()]
        return ClassPriors(self.names, np.concatenate([self.matrix, right.matrix], axis=1), made)

    def normalised(self, kind: Literal["l2", "standard", "none"] = "l2") -> ClassPriors:
        """Scaled vectors.

        Args:
            kind: ``"l2"`` gives every class's vector length 1 (a zero vector stays zero); ``"standard"`` gives every
                column mean 0 and standard deviation 1 over the classes (a constant column becomes 0); ``"none"``
                changes nothing.
        """
        matrix = self.matrix.astype(np.float64)
        if kind == "none":
            return self
        if kind == "l2":
            length = np.linalg.norm(matrix, axis=1, keepdims=True)
            matrix = np.divide(matrix, length, out=np.zeros_like(matrix), where=length > 0)
        elif kind == "standard":
            spread = matrix.std(axis=0, keepdims=True)
            centred = matrix - matrix.mean(axis=0, keepdims=True)
            # A constant column's deviation is rounding noise, not exactly 0.
            scale = np.abs(matrix).max(axis=0, keepdims=True)
            matrix = np.divide(centred, spread, out=np.zeros_like(matrix), where=spread > 1e-7 * scale)
        else:
            raise InputError(f"no normalisation is called {kind!r}", remedy="choose 'l2', 'standard' or 'none'")
        return ClassPriors(self.names, matrix.astype(np.float32), {**self.made, "normalised": kind})

    def shuffled(self, seed: int) -> ClassPriors:
        """The control: the same vectors, each given to another class.

        The rows move along one random cycle (Sattolo 1986), so no class keeps its own.

        Args:
            seed: Chooses the cycle.
        """
        order = np.arange(len(self))
        random = np.random.default_rng(seed)
        for last in range(len(self) - 1, 0, -1):
            other = int(random.integers(last))
            order[last], order[other] = order[other], order[last]
        return ClassPriors(self.names, self.matrix[order], {**self.made, "shuffled": int(seed)})

    def to_tensor(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> torch.Tensor:
        """A copy of the matrix as a tensor [C, D], float32 unless ``dtype`` says otherwise."""
        import torch

        return torch.tensor(self.matrix).to(device=device, dtype=dtype)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write names, matrix and provenance to one safetensors file; all or nothing.

        Returns:
            The path written.

        Raises:
            InputError: The disk is full or the place cannot be written.
        """
        from safetensors.numpy import save

        metadata = {"format": _FORMAT, "names": json.dumps(self.names), "made": json.dumps(self.made)}
        content = save({"matrix": np.ascontiguousarray(self.matrix)}, metadata=metadata)
        with atomic_file(path) as temporary:
            temporary.write_bytes(content)
        return Path(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ClassPriors:
        """Read what :meth:`save` wrote, exactly.

        Raises:
            InputError: The file is missing, damaged or was not written by :meth:`save`.
        """
        from kgzsl.knowledge._prior_files import read_safetensors

        tensors, metadata = read_safetensors(Path(path))
        if metadata.get("format") != _FORMAT or "matrix" not in tensors:
            raise InputError(
                "this safetensors file holds no class priors written by kgzsl",
                file=path,
                remedy="read it with ClassPriors.read(path, key=..., names=...)",
            )
        try:
            return cls(tuple(json.loads(metadata["names"])), tensors["matrix"], json.loads(metadata["made"]))
        except InputError as error:
            raise InputError(error.problem, file=path, place=error.place, remedy=error.remedy) from None
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"the header of the class priors is damaged ({error})", file=path) from None

    @classmethod
    def read(
        cls, path: str | os.PathLike[str], key: str | None = None, names: Sequence[str] | None = None
    ) -> ClassPriors:
        """Read class vectors from a file of somebody else.

        ``.npz``, ``.mat`` (v5 to v7.2; v7.3 with the extra ``mat73``), ``.csv``/``.tsv`` (a name, then numbers; header
        optional) and ``.safetensors``. Names are taken from the file (``class_names``, ``names``,
        ``allclasses_names``, the first CSV column) or given. A matrix [D, C], as in the xlsa17 files, is turned by the
        number of names; a square ``att`` of a .mat file is taken as [D, C].

        Args:
            path: The file.
            key: Which array, where the file has several.
            names: The names of the classes in the file's order, where the file has none.

        Raises:
            InputError: The file is unreadable, the array is missing or ambiguous, names are missing or do not fit, or
                values are not finite; file and place are named.
        """
        from kgzsl.knowledge._prior_files import read_file

        table = read_file(Path(path), key=key, names=names)
        try:
            return cls(tuple(table.names), table.matrix, table.made)
        except InputError as error:
            place = " ".join(part for part in (table.place, error.place) if part)
            raise InputError(error.problem, file=path, place=place or None, remedy=error.remedy) from None

    def _index_of(self, names: Iterable[str]) -> list[int]:
        wanted = list(names)
        missing = [name for name in wanted if name not in self._index]
        if missing:
            source, key = (self.made.get(part) for part in ("source", "key"))
            raise InputError(
                f"no class vector for {_listed(missing, self.names)}",
                file=source if isinstance(source, str) else None,
                place=key if isinstance(source, str) and isinstance(key, str) else None,
                remedy="give vectors for these classes, or correct the names",
            )
        return [self._index[name] for name in wanted]

    def _parts(self) -> list[dict[str, Any]]:
        parts = self.made.get("parts")
        if parts is not None and not set(self.made) - {"encoder", "parts", "columns"}:
            return list(parts)
        how = {key: value for key, value in self.made.items() if key != "columns"}
        return [{"dim": self.dim, "how": how}]

    def _column_names(self) -> list[str]:
        if self.columns is not None:
            return list(self.columns)
        how = self.made.get("encoder", "given")
        return [f"{how} {number}" for number in range(self.dim)]


def _checked(matrix: npt.NDArray[Any], names: tuple[str, ...]) -> npt.NDArray[np.float32]:
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InputError(f"class vectors have the shape {list(matrix.shape)}, not [classes, dimensions]")
    if matrix.dtype.kind not in "fiub":
        raise InputError(f"class vectors are of the type {matrix.dtype}, not real numbers")
    if len(names) != matrix.shape[0]:
        raise InputError(f"{len(names)} class names for {matrix.shape[0]} rows of class vectors")
    seen: dict[str, int] = {}
    for row, name in enumerate(names):
        if name in seen:
            raise InputError(
                f"the class {name!r} is there twice, in rows {seen[name]} and {row}", remedy="keep one vector per class"
            )
        seen[name] = row
    with np.errstate(over="ignore"):
        single: npt.NDArray[np.float32] = np.array(matrix, dtype=np.float32, order="C")
    bad = np.argwhere(~np.isfinite(single))
    if len(bad):
        row, column = (int(part) for part in bad[0])
        raise InputError(
            f"the vector of class {names[row]!r} has the value {matrix[row, column]}"
            + (f" ({len(bad)} values like it in all)" if len(bad) > 1 else ""),
            place=f"row {row}, column {column}",
            remedy="class vectors must be finite float32 numbers",
        )
    single.flags.writeable = False
    return single


def _listed(missing: Sequence[str], known: Sequence[str]) -> str:
    told = []
    for name in missing:
        close = nearest(name, known)
        told.append(f"{name!r}" + (f" (nearest: {', '.join(map(repr, close))})" if close else ""))
    return ", ".join(told)
