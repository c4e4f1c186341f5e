"""What every prior encoder promises: fit on a class graph, then one vector per class."""

from __future__ import annotations

import copy
import inspect
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors.growth import EXACT, Growth, against_training_again, came_from, grown_priors

if TYPE_CHECKING:
    from kgzsl.engine import Engine
    from kgzsl.knowledge import ClassGraph

__all__ = ["PriorEncoder", "PriorWarning"]


class PriorWarning(UserWarning):
    """A class about which the graph says too little for its vector to mean anything."""


class PriorEncoder(ABC):
    """Turns a class graph into class vectors.

    A subclass stores its options under their own names in ``__init__``, learns in :meth:`fit` and answers in
    :meth:`priors`.
    """

    name: ClassVar[str] = ""
    """The short name in recipes and in ``ClassPriors.made``."""

    family: ClassVar[str] = ""
    """``"attributes"``, ``"triples"``, ``"text"``, ``"walks"``, ``"propagation"``, ``"text-aware"`` or
    ``"geometric"``."""

    graph: ClassGraph | None = None
    """The graph of the last :meth:`fit`."""

    @abstractmethod
    def fit(self, graph: ClassGraph, *, engine: Engine | None = None) -> Self:
        """Learn from ``graph``.

        Args:
            graph: The class graph.
            engine: Trains encoders that learn; others ignore it.

        Returns:
            The encoder itself.
        """

    @abstractmethod
    def priors(self, names: Iterable[str]) -> ClassPriors:
        """The vectors of the classes ``names``, in their order.

        Raises:
            InputError: Not fitted yet, or some names are not in the graph (all of them are named, with candidates).
        """

    def observe(self, features: Any, labels: Any) -> Self:
        """Show the encoder features of seen classes before :meth:`fit`; those that only read the graph do not look.

        Args:
            features: Float [N, D].
            labels: The classes' names [N], as the graph has them.
        """
        del features, labels
        return self

    def add_class(
        self, name: str, graph: ClassGraph, *, compare: int = 0, engine: Engine | None = None, **options: Any
    ) -> ClassPriors:
        """The vector of a class that joined the graph after :meth:`fit`, in the space of the old ones.

        Nothing is trained again: closed forms read the new graph, text that was made short is laid into the directions
        of the old texts, networks keep their weights and read the new neighbourhood, and encoders with a vector per
        node fit the new vectors with all others held fast. The encoder answers for the new nodes from then on.

        Args:
            name: The class.
            graph: The old graph, with more nodes and edges.
            compare: Whether an encoder of the same options is trained on the new graph, so that ``made["growth"]``
                says by how much the new class differs from that (see :class:`kgzsl.priors.growth.Growth`). Encoders
                that train nothing differ by 0, without a comparison. Of triple embeddings: passes over all triples.
            engine: Where to train what is trained.
            **options: Of the encoder, such as ``steps``.

        Raises:
            InputError: Not fitted, a class that the graph lacks, a node that is gone, a relation that was not there
                where it needs parameters, or an option that the encoder does not have.
        """
        before = self._growing(name, graph)
        self.take_in(graph, engine=engine, **options)
        found = self.priors([name])
        if self.grows_exactly():
            return grown_priors(found, EXACT)
        if not compare:
            return grown_priors(found, Growth())
        again = type(self)(**copy.deepcopy(self.get_params())).fit(graph, engine=engine)
        old = before.iris
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PriorWarning)
            told = [one.priors([*old, name]).matrix for one in (self, again)]
        size = len(old)
        return grown_priors(
            found, against_training_again(told[0][:size], told[1][:size], told[0][size:], told[1][size:])
        )

    def _growing(self, name: str, graph: ClassGraph) -> ClassGraph:
        """The graph of the last fit, after a look at whether ``graph`` has ``name``."""
        if self.graph is None:
            raise InputError(f"{type(self).__name__} is not fitted yet", remedy="call fit(graph) first")
        graph.align([name]).require()
        return self.graph

    def take_in(self, graph: ClassGraph, *, engine: Engine | None = None, **options: Any) -> Self:
        """Take in all nodes that only ``graph`` has; see :meth:`add_class`, which also says how one of them came out.

        Args:
            graph: The old graph, with more nodes and edges.
            engine: Where to train what is trained.
            **options: Of the encoder.
        """
        known = inspect.signature(self._join).parameters
        for option in options:
            if option not in known:
                raise InputError(f"{type(self).__name__}.add_class takes no option {option!r}")
        if self.graph is None:
            raise InputError(f"{type(self).__name__} is not fitted yet", remedy="call fit(graph) first")
        came_from(self.graph.iris, graph.iris)
        self._join(graph, engine=engine, **options)
        return self

    def _join(self, graph: ClassGraph, *, engine: Engine | None = None) -> None:
        """Take in the nodes that only ``graph`` has, without training what is there again; the graph is then this."""
        if not self.reads_classes_alone():
            raise InputError(f"{type(self).__name__} cannot take a class without training", remedy="fit it again")
        self.fit(graph, engine=engine)

    def reads_classes_alone(self) -> bool:
        """Whether a class's vector depends on its own text and edges alone, so that fitting again changes no other."""
        return False

    def grows_exactly(self) -> bool:
        """Whether :meth:`add_class` gives what :meth:`fit` on the larger graph would."""
        return self.reads_classes_alone()

    def in_closed_form(self) -> bool:
        """Whether nothing is trained, so that :meth:`take_in` reads every vector off whatever graph it is given."""
        return self.grows_exactly()

    def priors_like(self, names: Iterable[str], like: ClassPriors) -> ClassPriors:
        """:meth:`priors` in the columns of ``like``, earlier vectors of this encoder, whatever has joined since."""
        del like
        return self.priors(names)

    def get_params(self) -> dict[str, Any]:
        """The options this encoder was made with."""
        return {
            name: getattr(self, name) for name in inspect.signature(type(self).__init__).parameters if name != "self"
        }

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        told = (f"{key}={value!r}" for key, value in self.get_params().items() if value != defaults[key].default)
        return f"{type(self).__name__}({', '.join(told)})"

    def _rows(self, names: Iterable[str]) -> tuple[ClassGraph, tuple[str, ...], npt.NDArray[np.int64]]:
        """The graph, the names, and the graph's node of each; every name must be matched."""
        if self.graph is None:
            raise InputError(f"{type(self).__name__} is not fitted yet", remedy="call fit(graph) first")
        wanted = tuple(names)
        if not wanted:
            raise InputError("no class names were given", remedy="name at least one class")
        alignment = self.graph.align(wanted)
        alignment.require()
        return self.graph, wanted, np.asarray(alignment.indices, dtype=np.int64)

    def _finish(self, names: Sequence[str], matrix: npt.NDArray[Any], **made: Any) -> ClassPriors:
        """The answer, with how it was made."""
        params = {key: _plain(value) for key, value in self.get_params().items()}
        told: dict[str, Any] = {"encoder": self.name, "options": params}
        if self.graph is not None:
            told["graph"] = {"nodes": self.graph.num_nodes, "edges": self.graph.num_edges}
            source = self.graph.provenance.get("source")
            if isinstance(source, str):
                told["graph"]["source"] = source
        return ClassPriors(tuple(names), np.asarray(matrix, dtype=np.float32), {**told, **made})


def _plain(value: Any) -> Any:
    """``value`` as JSON can hold it."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return repr(value)


def warn_bare(what: str, names: Sequence[str]) -> None:
    """Warn that the classes ``names`` have ``what`` (nothing to learn from); silent when there are none."""
    if names:
        shown = ", ".join(repr(name) for name in names[:20]) + (
            f" and {len(names) - 20} more" if len(names) > 20 else ""
        )
        warnings.warn(f"these classes have {what}: {shown}", PriorWarning, stacklevel=3)
