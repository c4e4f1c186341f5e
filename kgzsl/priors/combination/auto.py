"""The prior that suits a graph, by what can be measured without unseen classes; and why it was taken."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors.base import PriorEncoder, PriorWarning
from kgzsl.priors.combination.combined import made_encoder
from kgzsl.priors.combination.held_out_classes import HeldOutAccuracy, held_out_accuracy
from kgzsl.priors.combination.probe import probe_links, without_some_edges

if TYPE_CHECKING:
    from kgzsl.engine import Engine
    from kgzsl.knowledge import ClassGraph

__all__ = ["Auto", "Judgement"]

_CANDIDATES: tuple[str | Mapping[str, Any], ...] = (
    "attributes",
    "tfidf",
    "transe",
    "distmult",
    "rdf2vec",
    "sgc",
    {"name": "combined", "parts": ("attributes", "tfidf", "transe")},
)


@dataclass(frozen=True)
class Judgement:
    """What was found out about one candidate.

    Args:
        name: Its name, with its options where it has some.
        mrr: Of held-out edges, by one link predictor over its vectors; None where it could not be made.
        accuracy: Percent of held-out seen classes; None where no features were shown.
        error: Standard error of the accuracy.
        seconds: To fit it.
        problem: Why it could not be judged; empty where it could.
        chance: Percent that a guess would get.
    """

    name: str
    mrr: float | None = None
    accuracy: float | None = None
    error: float | None = None
    seconds: float = 0.0
    problem: str = ""
    chance: float | None = None


class Auto(PriorEncoder):
    """Tries several encoders and takes the best, judged on held-out edges and, where shown, on held-out seen classes.

    Every candidate is fitted on the graph less some edges, and one closed-form link predictor over its vectors ranks
    these edges. Features shown by :meth:`observe` decide first: among the candidates within one standard error of the
    best accuracy on held-out seen classes the one with the best MRR is taken. Without features, and where no candidate
    is two standard errors above chance, the MRR decides alone.
    The winner is fitted on the whole graph. ``made["why"]`` says it in words, ``made["judgements"]`` in numbers.

    Args:
        candidates: Names, ``{"name": ..., options}``, or encoders.
        holdout: Share of the edges that are held out.
        folds: Folds of seen classes.
        seed: Of edges and folds.
    """

    name: ClassVar[str] = "auto"
    family: ClassVar[str] = "combination"

    def __init__(
        self,
        candidates: Sequence[str | Mapping[str, Any] | PriorEncoder] = _CANDIDATES,
        *,
        holdout: float = 0.05,
        folds: int = 4,
        seed: int = 0,
    ) -> None:
        if not candidates or isinstance(candidates, str):
            raise InputError("candidates is empty or no list", remedy="name at least one encoder")
        if not 0 < holdout < 1:
            raise InputError(f"holdout={holdout!r} is not a share above 0 and below 1")
        if folds < 2:
            raise InputError(f"folds={folds!r} is less than 2")
        self.candidates = tuple(candidates)
        self.holdout = holdout
        self.folds = folds
        self.seed = seed
        self._seen: tuple[Any, Any] | None = None

    def observe(self, features: Any, labels: Any) -> Self:
        """Show features [N, D] of seen classes and their names [N], before :meth:`fit`."""
        self._seen = (np.asarray(features), np.asarray(labels).astype(str))
        return self

    def fit(self, graph: ClassGraph, *, engine: Engine | None = None) -> Self:
        """Judge all candidates, then take the best, fitted on the whole graph.

        Held-out classes are told by vectors of the whole graph: without some edges a class that lacks one of its
        attributes misleads a head more than most candidates differ.

        Raises:
            InputError: No candidate could be made, for the reasons that are named.
        """
        rest, held, whole = without_some_edges(graph, self.holdout, self.seed)
        judged: list[Judgement] = []
        fitted: dict[int, PriorEncoder] = {}
        for candidate in self.candidates:
            encoder = made_encoder(candidate)
            begun = time.perf_counter()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", PriorWarning)
                    vectors = encoder.fit(rest, engine=engine).priors(graph.iris).matrix
                    if self._seen is not None:
                        fitted[len(judged)] = made_encoder(candidate).fit(graph, engine=engine)
                    accuracy = self._accuracy(fitted.get(len(judged)))
                mrr = probe_links(vectors, held, whole).mrr if len(held) else 0.0
            except InputError as error:
                judged.append(Judgement(repr(encoder), problem=str(error)))
                continue
            taken = time.perf_counter() - begun
            if accuracy is None:
                judged.append(Judgement(repr(encoder), mrr, seconds=taken))
            else:
                told = accuracy.mean, accuracy.error, taken, "", accuracy.chance
                judged.append(Judgement(repr(encoder), mrr, *told))
        self.judgements_ = tuple(judged)
        best, self.why_ = _choose(self.judgements_)
        self.encoder_ = fitted.get(best) or made_encoder(self.candidates[best]).fit(graph, engine=engine)
        self.graph = graph
        return self

    def grows_exactly(self) -> bool:
        """Whether the chosen encoder does."""
        return self.graph is not None and self.encoder_.grows_exactly()

    def in_closed_form(self) -> bool:
        """Whether the chosen encoder is."""
        return self.graph is not None and self.encoder_.in_closed_form()

    def priors_like(self, names: Iterable[str], like: ClassPriors) -> ClassPriors:
        """See :class:`PriorEncoder`."""
        return self.encoder_.priors_like(names, like)

    def add_class(
        self, name: str, graph: ClassGraph, *, compare: int = 0, engine: Engine | None = None, **options: Any
    ) -> ClassPriors:
        """By the chosen encoder; see its own. The choice is not made again."""
        self._growing(name, graph)
        found = self.encoder_.add_class(name, graph, compare=compare, engine=engine, **options)
        self.graph = graph
        return found

    def _join(self, graph: ClassGraph, *, engine: Engine | None = None) -> None:
        self.encoder_.take_in(graph, engine=engine)
        self.graph = graph

    def _accuracy(self, encoder: PriorEncoder | None) -> HeldOutAccuracy | None:
        if self._seen is None or encoder is None:
            return None
        features, labels = self._seen
        found = encoder.priors(sorted(set(labels.tolist())))
        return held_out_accuracy(found, features, labels, folds=self.folds, seed=self.seed)

    def priors(self, names: Iterable[str]) -> ClassPriors:
        """The vectors of the chosen encoder, and why it was chosen."""
        _, wanted, _ = self._rows(names)
        found = self.encoder_.priors(wanted)
        told = {"why": self.why_, "judgements": [asdict(one) for one in self.judgements_]}
        return ClassPriors(found.names, found.matrix, {**found.made, "auto": told})


def _choose(judged: Sequence[Judgement]) -> tuple[int, str]:
    """The place of the best, and the reason in words."""
    able = [number for number, one in enumerate(judged) if not one.problem]
    if not able:
        raise InputError(
            "none of the candidates can be made from this graph: " + "; ".join(one.problem for one in judged),
            remedy="name other candidates",
        )
    left_out = [one.name for one in judged if one.problem]
    tail = f" Not possible here: {', '.join(left_out)}." if left_out else ""

    def mrr(number: int) -> float:
        return judged[number].mrr or 0.0

    top = max(able, key=lambda number: judged[number].accuracy or 0.0)
    accuracy, error, chance = judged[top].accuracy, judged[top].error or 0.0, judged[top].chance or 0.0
    if accuracy is None or accuracy - 2 * error <= chance:
        best = max(able, key=mrr)
        one = judged[best]
        seen = (
            "no features of seen classes were shown"
            if accuracy is None
            else f"none tells held-out seen classes clearly better than chance ({accuracy:.1f} % at best)"
        )
        return (
            best,
            f"{one.name} predicts held-out edges best: MRR {one.mrr:.3f} of {len(able)} candidates; {seen}.{tail}",
        )
    bar = accuracy - error
    close = [number for number in able if (judged[number].accuracy or 0.0) >= bar]
    best = max(close, key=mrr)
    one = judged[best]
    if best == top:
        why = f"{one.name} tells held-out seen classes best: {one.accuracy:.1f} %, MRR of held-out edges {one.mrr:.3f}."
    else:
        why = (
            f"{one.name} tells held-out seen classes as well as the best within one standard error "
            f"({one.accuracy:.1f} % against {judged[top].accuracy:.1f} % of {judged[top].name}) and predicts "
            f"held-out edges better: MRR {one.mrr:.3f} against {mrr(top):.3f}."
        )
    return best, why + tail
