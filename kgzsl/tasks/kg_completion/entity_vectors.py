"""Entity vectors of any embedding model, by name: ours, PyKEEN's, PyTorch Geometric's, or a plain table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from kgzsl._files import atomic_file
from kgzsl.errors import InputError
from kgzsl.knowledge._prior_files import read_file, read_safetensors
from kgzsl.tasks.kg_completion.checks import some_names
from kgzsl.tasks.kg_completion.vector_tables import (
    Names,
    flat,
    library_of,
    names_beside,
    names_of,
    table_of,
    tensors_of,
)

if TYPE_CHECKING:
    from kgzsl.datasets import KGSplit
    from kgzsl.engine import Engine
    from kgzsl.recipe import CompletionRecipe
    from kgzsl.tasks.kg_completion.ordinary import EmbeddingCompleter

__all__ = ["AlignedVectors", "EntityVectors", "embedding_of", "found_vectors"]


class AlignedVectors(NamedTuple):
    """Vectors in the order of a knowledge graph's entities, and an account of what did not fit."""

    matrix: Tensor
    """float32 [E, V], zero where there is no vector."""
    known: Tensor
    """bool [E], which entities have one."""
    notes: list[str]
    """One sentence for each thing that did not fit."""


@dataclass(frozen=True, repr=False)
class EntityVectors:
    """Vectors of entities by their names.

    A model of another library is a table of numbers and the names of its rows; nothing of the model is run, and nothing
    that comes from a file is unpickled.

    Args:
        names: Of the N entities, each once.
        matrix: [N, V], floating or complex; complex numbers become their real and imaginary parts.
        source: Where they come from, for messages.

    Raises:
        InputError: Another number of names than of rows, a name that is there twice, numbers that are not finite.
    """

    names: tuple[str, ...]
    matrix: Tensor
    source: str = "entity vectors"

    def __post_init__(self) -> None:
        matrix, names = torch.as_tensor(self.matrix).detach().cpu(), tuple(map(str, self.names))
        if matrix.is_complex():
            matrix = torch.view_as_real(matrix).flatten(1)
        if matrix.ndim != 2 or not matrix.numel():
            raise InputError(
                f"entity vectors have the shape {list(matrix.shape)}, not [entities, numbers]", file=self.source
            )
        if len(names) != len(matrix):
            raise InputError(
                f"{len(names)} names for {len(matrix)} entity vectors",
                file=self.source,
                remedy="give the names that the model was trained with, one for each row",
            )
        if len(set(names)) < len(names):
            twice = Counter(names).most_common(1)[0][0]
            raise InputError(f"the entity {twice!r} is there twice", file=self.source, remedy="keep one vector of it")
        matrix = matrix.to(torch.float32)
        wrong = ~torch.isfinite(matrix).all(dim=1)
        if bool(wrong.any()):
            first = names[int(torch.nonzero(wrong)[0])]
            raise InputError(
                f"{int(wrong.sum())} entity vectors are not finite, the first that of {first!r}",
                file=self.source,
                remedy="train the embedding again with a lower learning rate, or leave these entities out",
            )
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "matrix", matrix)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"EntityVectors({len(self)} entities, {self.dim} dims, source={self.source!r})"

    @property
    def dim(self) -> int:
        """V."""
        return self.matrix.shape[1]

    @classmethod
    def read(cls, path: str | PathLike[str], *, names: Names | None = None, key: str | None = None) -> EntityVectors:
        """Read vectors from a file or folder.

        * a folder of our own: of a completer (``EmbeddingCompleter.save``), or the run that has it;
        * ``.pt``, ``.pth``, ``.bin``, ``.safetensors``: the ``state_dict`` of a PyKEEN or PyTorch Geometric model, or a
          table alone, with the names of its rows; read without unpickling;
        * ``.npz``, ``.mat``, ``.csv``, ``.tsv``, ``.safetensors``: names and vectors, as for class vectors.

        Args:
            path: The file or folder.
            names: Names of the rows: in order, as name to row, or the file that has them (PyKEEN's
                ``entity_to_id.tsv.gz``, or one name a line). An ``entity_to_id.tsv(.gz)`` beside the file, or in a
                folder ``training_triples`` beside it, is found.
            key: Which array of several.

        Raises:
            InputError: No such file, a file that would have to be unpickled, no vectors or no names in it.
        """
        file = Path(path)
        if file.is_dir():
            return cls._of_folder(file)
        suffix = file.suffix.lower()
        if suffix in (".pkl", ".pickle"):
            raise InputError(
                "a pickled model runs code when it is read, so it is not",
                file=file,
                remedy="load it where you trust it and write torch.save(model.state_dict(), 'state.pt')",
            )
        if suffix in (".pt", ".pth", ".bin"):
            content: Any = tensors_of(file)
        elif suffix == ".safetensors":
            content, told = read_safetensors(file)
            if "names" in told or not library_of(content):
                content = None
        else:
            content = None
        if content is None:
            table = read_file(file, key=key, names=None if names is None else names_of(names, None), of="entity")
            return cls(tuple(table.names), torch.from_numpy(table.matrix.astype("float32")), str(file))
        matrix = table_of(content, key, str(file))
        given = names if names is not None else names_beside(file)
        if given is None:
            raise InputError(
                "the vectors have no names", file=file, remedy="give names=, a list or an entity_to_id.tsv.gz"
            )
        return cls(tuple(names_of(given, len(matrix))), matrix, str(file))

    @classmethod
    def _of_folder(cls, folder: Path) -> EntityVectors:
        from kgzsl.tasks.kg_completion.loading import load_completer

        found = next((one for one in (folder, folder / "model") if (one / "model.json").is_file()), None)
        if found is None:
            raise InputError(
                "there is no completer in this folder",
                file=folder,
                remedy="give one of kgzsl's, or a file: PyKEEN's and PyG's models as state.pt with the entities' names",
            )
        return cls.from_completer(load_completer(found, device="cpu"), source=str(folder))

    @classmethod
    def from_completer(cls, model: Any, *, source: str = "an embedding completer") -> EntityVectors:
        """Vectors of a fitted :class:`EmbeddingCompleter`.

        Raises:
            InputError: Another kind of completer, which has no vectors of entities.
        """
        from kgzsl.tasks.kg_completion.ordinary import EmbeddingCompleter

        if not isinstance(model, EmbeddingCompleter):
            raise InputError(
                f"{type(model).__name__} has no vectors of entities", file=source, remedy="give an embedding: ranker"
            )
        return cls(model.entities_, model.entity_vectors(), source)

    @classmethod
    def from_pykeen(cls, model: Any, entities: Any, *, source: str = "a PyKEEN model") -> EntityVectors:
        """Vectors of a PyKEEN model.

        A model in memory is asked for its representations, which may be computed; a ``state_dict`` has only those that
        are tables, before any normaliser. Several representations of an entity are put side by side.

        Args:
            model: The model, its ``state_dict()``, or a table [N, V].
            entities: The ``TriplesFactory`` that it was trained on, its ``entity_to_id``, names in order, or the file
                ``entity_to_id.tsv.gz`` that the factory writes.
            source: For messages.
        """
        names = getattr(entities, "entity_to_id", entities)
        parts = getattr(model, "entity_representations", None)
        if parts is None:
            matrix = table_of(model, None, source)
        else:
            with torch.no_grad():
                matrix = torch.cat([flat(part(indices=None)) for part in parts], dim=1)
        return cls(tuple(names_of(names, len(matrix))), matrix, source)

    @classmethod
    def from_pyg(cls, model: Any, names: Names, *, source: str = "a PyG model") -> EntityVectors:
        """Vectors of a model of ``torch_geometric.nn.kge``, real and imaginary parts side by side.

        Args:
            model: The model, or its ``state_dict()``.
            names: Of its nodes, in order, as name to node, or a file of them.
            source: For messages.
        """
        content = model.state_dict() if hasattr(model, "state_dict") else model
        matrix = table_of(content, None, source)
        return cls(tuple(names_of(names, len(matrix))), matrix, source)

    @classmethod
    def told(cls, told: str | Mapping[str, Any], kg: KGSplit, engine: Engine | None = None) -> EntityVectors:
        """What a recipe says: a path, ``{path: ..., names: ..., key: ...}``, or an embedding to train.

        Args:
            told: ``{name: transe, dim: 64}``, or just ``transe``, trains one of ours on the training triples of ``kg``:
                any option of :class:`EmbeddingCompleter`.
            kg: The knowledge graph.
            engine: Seed, device and checkpoints of the training.

        Raises:
            InputError: Neither, both, or an option that there is not.
        """
        model = embedding_of(told)
        if model is not None:
            return cls.from_completer(model.fit(kg, engine=engine), source=f"{model.model}, trained here")
        options: dict[str, Any] = {"path": told} if isinstance(told, str) else dict(told)
        return cls.read(options.pop("path"), **options)

    def align(self, entities: Iterable[str]) -> AlignedVectors:
        """The vectors of these entities, in their order.

        Raises:
            InputError: No entity has a vector.
        """
        wanted = list(entities)
        row_of = {name: row for row, name in enumerate(self.names)}
        rows = torch.tensor([row_of.get(name, -1) for name in wanted], dtype=torch.int64)
        known = rows >= 0
        if not bool(known.any()):
            raise InputError(
                f"none of {len(wanted)} entities has a vector: they are called {wanted[0]!r} and the like, the vectors "
                f"are of {self.names[0]!r} and the like",
                file=self.source,
                remedy="name the entities alike",
            )
        matrix = self.matrix[rows.clamp(min=0)] * known[:, None]
        notes = []
        if not bool(known.all()):
            absent = [name for name, there in zip(wanted, known.tolist(), strict=True) if not there]
            notes.append(f"{len(absent)} entities have no vector in {self.source}: {some_names(absent)}")
        here = set(wanted)
        others = [name for name in self.names if name not in here]
        if others:
            notes.append(f"{len(others)} vectors of {self.source} are of no entity here: {some_names(others)}")
        return AlignedVectors(matrix, known, notes)

    def save(self, path: str | PathLike[str]) -> Path:
        """Write names and vectors as ``.npz``, whole or not at all; :meth:`read` reads it back."""
        import numpy as np

        with atomic_file(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, names=np.array(self.names), matrix=self.matrix.numpy())
        return Path(path)


def embedding_of(told: str | Mapping[str, Any]) -> EmbeddingCompleter | None:
    """The embedding, not fitted, that :meth:`EntityVectors.told` would train; None where vectors are to be read.

    Raises:
        InputError: Neither a path nor an embedding, or an option that there is not.
    """
    from kgzsl import priors
    from kgzsl._resolver import Resolver
    from kgzsl.tasks.kg_completion.completer import Completer
    from kgzsl.tasks.kg_completion.ordinary import EmbeddingCompleter

    if isinstance(told, str):
        told = {"name" if told in priors.encoders.names else "path": told}
    if ("path" in told) == ("name" in told):
        raise InputError(
            f"entity_vectors is {dict(told)!r}",
            remedy="give the path of vectors, or the name of an embedding to train here (transe, complex, ...)",
        )
    if "path" in told:
        for option in set(told) - {"path", "names", "key"}:
            raise InputError(f"entity_vectors has no option {option!r}", remedy="it takes path, names and key")
        return None
    options = {"model" if key == "name" else key: value for key, value in told.items()}
    known = Resolver("embedding of entity_vectors", Completer, {"embedding": EmbeddingCompleter})
    return known.make("embedding", **known.converted("embedding", options))


def found_vectors(recipe: CompletionRecipe) -> dict[str, Any]:
    """The recipe's ``pairs.entity_vectors`` with its files found, from here or beside it; nothing where it has none."""
    told = recipe.pairs.get("entity_vectors")
    if told is None or embedding_of(told) is not None:
        return {}
    options = {"path": told} if isinstance(told, str) else dict(told)
    for key in ("path", "names"):
        if isinstance(options.get(key), str):
            options[key] = str(recipe.find_file(options[key], "pairs", "entity_vectors"))
    return {"entity_vectors": options}
