"""The sections of a recipe: what each may say, checked key by key."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from kgzsl._sizes import bytes_of
from kgzsl.errors import InputError

__all__ = [
    "ClassifierSpec",
    "CompletionProtocolSpec",
    "Component",
    "CompositionsSpec",
    "GraphSpec",
    "ImageProtocolSpec",
    "Named",
    "PriorSpec",
    "RelevanceSpec",
    "Strict",
    "TrainSpec",
    "UnlabeledSpec",
    "each_named",
    "named",
    "sourced",
    "told_by",
]


class Strict(BaseModel):
    """A section that takes no key but its own."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Component(BaseModel):
    """A component by name, with its options: ``{name: wgan, hidden: 1024}``, or just ``wgan``."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())
    name: str

    @property
    def options(self) -> dict[str, Any]:
        """Everything but the keys that the recipe itself understands: what goes to the constructor."""
        return dict(self.model_extra or {})


def _sized(value: Any) -> Any:
    try:
        return bytes_of(value)
    except InputError as error:
        raise ValueError(f"{error.problem}; {error.remedy}") from None


def named(value: Any) -> Any:
    """``wgan`` as ``{name: wgan}``."""
    return {"name": value} if isinstance(value, str) else value


def each_named(value: Any) -> Any:
    """One entry or a list of them, each as :func:`named` makes it."""
    return [named(entry) for entry in _listed(value)]


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _bias(value: Any) -> Any:
    if isinstance(value, str) and value not in ("validation", "margin"):
        try:
            return float(value)
        except ValueError:
            raise ValueError("it should be a number, validation or margin") from None
    return value


def sourced(value: Any) -> Any:
    """``zoo.ttl`` as ``{source: zoo.ttl}``."""
    return {"source": value} if isinstance(value, str) else value


class GraphSpec(Strict):
    """Where the class graph comes from and how it is read; ``none`` for no graph, not even the one of the data.

    The keys are those of ``ClassGraph.read``; ``catalogue`` is a file, a folder, or IRI -> file. ``mapping`` says which
    IRI a class name means. ``options`` go to the source's own reader: ``{reference: dict30}`` for WordNet.
    """

    source: str
    format: str | None = None
    projection: Literal["owl2vec", "taxonomy", "w3c"] = "owl2vec"
    reasoning: Literal["none", "rdfs", "owl2rl", "el", "hermit"] = "none"
    language: str = "en"
    mapping: dict[str, str] | None = None
    imports: Literal["none", "local", "fetch"] = "none"
    catalogue: str | dict[str, str] | None = None
    lenient: bool = False
    max_added: int | None = None
    max_seconds: float | None = None
    options: dict[str, Any] = Field(default_factory=dict)


class PriorSpec(Component):
    """One prior: an encoder of the class graph, ``file`` (with ``path``, ``key``), or one that ships with the data.

    An encoder is fitted on the recipe's graph, or on one of its own: ``{name: attributes, graph: other.ttl}``.
    ``weight`` multiplies the normalised prior: how much it counts beside the others.
    """

    normalise: Literal["auto", "l2", "standard", "none"] = "auto"
    weight: float = Field(default=1.0, gt=0.0)
    graph: Annotated[GraphSpec, BeforeValidator(sourced)] | None = None


class UnlabeledSpec(Strict):
    """Rows without labels, for the methods that look at such; the run is transductive, and stamped so.

    ``source: test`` is the test rows' features, never their labels; else a file of features (``.npy``, ``.npz``,
    ``.mat``, ``.csv``, ``.jsonl``), with ``key`` where it holds several arrays. ``kind: known`` says that it is known
    which test rows are of unseen classes (as the published protocols have it), or that all rows of the file are: they
    serve T1 and the second critic of ``f-vaegan``, and the classifier over all classes gets all rows, of whose kind it
    is told nothing. ``kind: unknown`` tells nobody. Left out, it is known of test rows and unknown of a file. Choices
    are made with the rows of the validation problem in their place.
    """

    source: str
    kind: Literal["known", "unknown"] | None = None
    key: str | None = None

    @property
    def is_test(self) -> bool:
        """Whether these are the test rows."""
        return self.source == "test"

    @property
    def kind_known(self) -> bool:
        """Whether it is known which rows are of unseen classes."""
        return self.is_test if self.kind is None else self.kind == "known"

    @model_validator(mode="after")
    def _no_key_of_test(self) -> Self:
        if self.is_test and self.key is not None:
            raise ValueError("the test rows have no key; write ./test for a file of that name")
        return self


def told_by(value: Any) -> Any:
    """``data`` as ``{}``, and ``pairs.csv`` as ``{table: pairs.csv}``."""
    if isinstance(value, str):
        return {} if value == "data" else {"table": value}
    return value


class CompositionsSpec(Strict):
    """Classes are pairs of an attribute and an object; priors are then made of the parts, and put side by side.

    Which pair a class is, is told by two relations of the class graph (``attribute: hasMark, object: hasBase``: an
    IRI, its end, or its label), by a ``table`` with the columns class, attribute and object, or, with ``compositions:
    data``, by the data set. ``open`` says whether every feasible pair of the parts may be answered too, in figures of
    their own (``open.*``) and by ``kgzsl predict --candidates open``; disjointness in the class graph rules pairs out.
    Left out, it is so where the classifier answers from priors, without a generator, a prior head or a gate.
    """

    attribute: str | None = None
    object: str | None = None
    table: str | None = None
    open: bool | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.attribute is None) != (self.object is None):
            raise ValueError("attribute and object are two relations of the class graph; give both")
        if self.table is not None and self.attribute is not None:
            raise ValueError("a table tells the parts, or two relations of the class graph do; leave one of them out")
        return self


class ClassifierSpec(Component):
    """The classifier on real seen and synthetic unseen features, and how the two are balanced.

    ``samples_per_class`` may be a list: the best one on validation classes is taken. ``unseen_bias`` is a number that
    is added to the scores of unseen classes, or ``validation``: chosen on validation classes; ``margin`` brings that
    one to the scores of the model of all seen classes, in proportion to how far training rows have their best seen
    class above the best unseen one. ``real_per_class`` bounds the real rows per seen class. ``gate`` joins the expert
    for seen and the one for unseen classes by a rule that is fitted on validation classes, in place of a bias;
    ``evidential`` also says how uncertain an answer is. ``prior_head`` adds the scores of a classifier that answers
    from priors (``eszsl``, with the weights that were chosen for it), ``prior_weight`` one or several weights to choose
    from.
    """

    name: str = "softmax"
    samples_per_class: Annotated[list[int], BeforeValidator(_listed)] = [300]
    real_per_class: int | None = Field(default=None, ge=1)
    unseen_bias: Annotated[float | Literal["validation", "margin"], BeforeValidator(_bias)] = 0.0
    balanced: bool = False
    gate: Literal["none", "stacking", "cosmo", "evidential", "auto"] | None = None
    prior_head: str | None = None
    prior_weight: Annotated[list[float], BeforeValidator(_listed)] = [1.0]

    @property
    def calibrated(self) -> bool:
        """Whether the bias on unseen classes is chosen on validation classes."""
        return self.unseen_bias in ("validation", "margin")

    @property
    def favours(self) -> bool:
        """Whether more than the scores settles between seen and unseen classes: a bias, chosen or given, or a gate."""
        return self.unseen_bias != 0.0 or self.gate not in (None, "none")

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if self.gate is not None and self.unseen_bias != 0.0:
            raise ValueError("gate and unseen_bias do the same; leave one of them out")
        return self

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if not self.samples_per_class or min(self.samples_per_class) < 1:
            raise ValueError("samples_per_class must be at least 1")
        return self

    @model_validator(mode="after")
    def _weights_of_something(self) -> Self:
        if not self.prior_weight or not all(map(math.isfinite, self.prior_weight)):
            raise ValueError("prior_weight must be a number, or several to choose from")
        if self.prior_head is None and self.prior_weight != [1.0]:
            raise ValueError("prior_weight weighs the scores of a prior_head, and there is none")
        if isinstance(self.unseen_bias, float) and math.isnan(self.unseen_bias):
            raise ValueError("unseen_bias is nan")
        return self


Seeds = Annotated[int | list[int], Field(description="a number of seeds (0, 1, ...), or the seeds themselves")]


class _ProtocolSpec(Strict):
    validation: str = "held-out-classes"
    seeds: Seeds = 1
    fraction: float = Field(default=0.2, gt=0.0, lt=1.0)

    @model_validator(mode="after")
    def _some_seeds(self) -> Self:
        if (isinstance(self.seeds, int) and self.seeds < 1) or self.seeds == []:
            raise ValueError("at least one seed is needed")
        if isinstance(self.seeds, list) and len(set(self.seeds)) != len(self.seeds):
            raise ValueError("a seed is named twice, which would count its figures twice")
        return self

    @property
    def seed_list(self) -> list[int]:
        """The seeds themselves."""
        return list(range(self.seeds)) if isinstance(self.seeds, int) else list(self.seeds)


class ImageProtocolSpec(_ProtocolSpec):
    """How choices are made and what is scored, for images.

    ``search`` names options of ``generator``, ``classifier`` or ``relevance`` and the values to try,
    ``{generator.hidden: [512, 1024], classifier.alpha: [0.1, 1]}``: the best ones on validation classes are taken. All
    combinations are tried, or with ``trials`` as many as it says, chosen by Optuna. ``criterion`` says what is best on
    them: T1, H, the mean of ``both``, or Recall@1 among their rows; left out it is ``both``, for ESZSL as the method
    T1. Of ESZSL's ``gamma`` and ``lam``, those that are neither given nor searched are chosen from a grid. With
    ``splits`` the seen classes are cut into so many parts, each of which is held out in turn, and what counts is the
    mean over them: less is left to the chance of one split. It is for methods that are not trained by epochs; the ESZSL
    beside them keeps to one split. ``retrieval`` asks for Recall@K and NMI of the unseen test rows as well, in the
    space that the classifier learns and in the features as they are.
    """

    validation: Literal["held-out-classes", "none", "oracle"] = "held-out-classes"
    selection: Literal["once", "per-seed"] = "once"
    criterion: Literal["both", "zsl.top1", "gzsl.harmonic", "retrieval.recall@1"] | None = None
    evaluate_every: int = Field(default=5, ge=1)
    splits: int = Field(default=1, ge=1)
    search: dict[str, list[Any]] = {}
    trials: int | None = Field(default=None, ge=1)
    hits: list[Annotated[int, Field(ge=1)]] = [2, 5]
    retrieval: bool = Field(default=False, strict=True)

    @model_validator(mode="after")
    def _trials_of_something(self) -> Self:
        if self.trials is not None and not self.search:
            raise ValueError("trials says how many combinations of search are tried, and there is no search")
        return self


class CompletionProtocolSpec(_ProtocolSpec):
    """How choices are made and what is ranked, for completion.

    ``splits`` cuts the seen relations into so many parts, each of which a training of its own is without, and choices
    go by the mean over them (relations that the data set names for validation are one part more): less is left to the
    chance of a few relations, and confidences are fitted on all of them. It is for generators, relation networks and
    closed-form maps. ``negatives`` ranks test answers also among so many entities that are drawn for each query (RMPI
    and other subgraph methods have 49), and tells true triples from corrupted ones: figures under ``kgc.drawn.``.
    ``calibration_folds`` deals the seen relations that no choice is made on into so many parts, and trains once more
    without each: confidences are fitted on all seen relations then, not only on those of the choices. ``evidence`` and
    ``link_overlap`` hide every seen relation in any case, by folds of their own; other rankers have no place for it.
    ``memory_budget`` (``512MB``, ``2GiB``) is what scoring may take at a time; each part has its own default.
    """

    validation: Literal["held-out-relations", "none", "oracle"] = "held-out-relations"
    candidates: Literal["given", "all", "type"] = "given"
    sides: Literal["tail", "both"] = "both"
    filtered: bool = True
    splits: int = Field(default=1, ge=1, strict=True)
    negatives: int | None = Field(default=None, ge=1, strict=True)
    calibration_folds: int = Field(default=0, ge=0, strict=True)
    memory_budget: Annotated[int | None, BeforeValidator(_sized)] = None


class RelevanceSpec(Strict):
    """Prioritised augmentation: seen classes count as far as they lie near the unseen ones.

    It weighs the rows that train the generator, a prior head, and a classifier that answers from priors (``eszsl``,
    ``nearest-prior``, ``ale``, ``sje``, ``devise``); where all distances are equal nothing changes. ``metric`` is that
    of the class graph (``hops``; ``weighted``: short where edges weigh much; ``resistance``: short where there are many
    ways), or ``priors``: one minus the cosine. ``taxonomy`` keeps to the edges that lead upwards. ``kernel``,
    ``bandwidth``, ``gather`` and ``strength`` are those of ``kgzsl.classifiers.relevance``; ``strength`` 0 weighs all
    alike.
    """

    metric: Literal["hops", "weighted", "resistance", "priors"] = "hops"
    taxonomy: bool = False
    kernel: Literal["exponential", "gaussian"] = "exponential"
    bandwidth: float | None = Field(default=None, gt=0.0)
    gather: Literal["mean", "nearest"] = "mean"
    strength: float = Field(default=1.0, ge=0.0)


def _switch(value: Any) -> Any:
    """YAML reads ``on`` and ``off`` as truth values."""
    return ("off", "on")[value] if isinstance(value, bool) else value


class TrainSpec(Strict):
    """Device, precision and checkpoints of every training in the run.

    ``capture`` says whether steps of generators are recorded as a CUDA graph and replayed: ``auto`` does so on a GPU.
    It is off unless asked for, until the check in the how-to on GPUs has run on one.
    """

    device: str = "auto"
    precision: str = "auto"
    devices: int = Field(default=1, ge=1)
    capture: Annotated[Literal["auto", "on", "off"], BeforeValidator(_switch)] = "off"
    checkpoint_every: int | None = Field(default=None, ge=1)


Named = Annotated[Component, BeforeValidator(named)]
