"""A recipe: one experiment as YAML, checked key by key before anything runs."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from kgzsl._recipe_text import Marks, apply_overrides, expand_variables, parse_yaml
from kgzsl._sizes import bytes_of
from kgzsl.errors import InputError, nearest

__all__ = [
    "ClassifierSpec",
    "CompletionProtocolSpec",
    "CompletionRecipe",
    "Component",
    "GraphSpec",
    "ImageProtocolSpec",
    "ImageRecipe",
    "PriorSpec",
    "Recipe",
    "TrainSpec",
    "apply_overrides",
]


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class _Strict(BaseModel):
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


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _each_named(value: Any) -> Any:
    return [_named(entry) for entry in _listed(value)]


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _sourced(value: Any) -> Any:
    return {"source": value} if isinstance(value, str) else value


class GraphSpec(_Strict):
    """Where the class graph comes from and how it is read.

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
    graph: Annotated[GraphSpec, BeforeValidator(_sourced)] | None = None


class ClassifierSpec(Component):
    """The classifier on real seen and synthetic unseen features, and how the two are balanced.

    ``samples_per_class`` may be a list: the best one on validation classes is taken. ``unseen_bias`` is a number that
    is added to the scores of unseen classes, or ``validation``: chosen on validation classes. ``real_per_class`` bounds
    the real rows per seen class. ``gate`` joins the expert for seen and the one for unseen classes by a rule that is
    fitted on validation classes, in place of a bias. ``prior_head`` adds the scores of a classifier that answers from
    priors (``eszsl``, with the weights that were chosen for it), ``prior_weight`` one or several weights to choose
    from.
    """

    name: str = "softmax"
    samples_per_class: Annotated[list[int], BeforeValidator(_listed)] = [300]
    real_per_class: int | None = None
    unseen_bias: float | Literal["validation"] = 0.0
    balanced: bool = False
    gate: Literal["none", "stacking", "cosmo", "auto"] | None = None
    prior_head: str | None = None
    prior_weight: Annotated[list[float], BeforeValidator(_listed)] = [1.0]

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


Seeds = Annotated[int | list[int], Field(description="a number of seeds (0, 1, ...), or the seeds themselves")]


class _ProtocolSpec(_Strict):
    validation: str = "held-out-classes"
    seeds: Seeds = 1
    fraction: float = Field(default=0.2, gt=0.0, lt=1.0)

    @model_validator(mode="after")
    def _some_seeds(self) -> Self:
        if (isinstance(self.seeds, int) and self.seeds < 1) or self.seeds == []:
            raise ValueError("at least one seed is needed")
        return self

    @property
    def seed_list(self) -> list[int]:
        """The seeds themselves."""
        return list(range(self.seeds)) if isinstance(self.seeds, int) else list(self.seeds)


class ImageProtocolSpec(_ProtocolSpec):
    """How choices are made and what is scored, for images.

    ``search`` names options and the values to try, ``{generator.hidden: [512, 1024], classifier.alpha: [0.1, 1]}``: the
    best ones on validation classes are taken. All combinations are tried, or with ``trials`` as many as it says, chosen
    by Optuna. With ``splits`` the seen classes are cut into so many parts, each of which is held out in turn, and what
    counts is the mean over them: less is left to the chance of one split. It is for methods that are not trained by
    epochs; the ESZSL beside them keeps to one split.
    """

    validation: Literal["held-out-classes", "none", "oracle"] = "held-out-classes"
    selection: Literal["once", "per-seed"] = "once"
    criterion: Literal["both", "zsl.top1", "gzsl.harmonic"] = "both"
    evaluate_every: int = Field(default=5, ge=1)
    splits: int = Field(default=1, ge=1)
    search: dict[str, list[Any]] = {}
    trials: int | None = Field(default=None, ge=1)
    hits: list[int] = [2, 5]


class CompletionProtocolSpec(_ProtocolSpec):
    """How choices are made and what is ranked, for completion.

    ``memory_budget`` (``512MB``, ``2GiB``) is what scoring may take at a time; each part has its own default.
    """

    validation: Literal["held-out-relations", "none", "oracle"] = "held-out-relations"
    candidates: Literal["given", "all", "type"] = "given"
    sides: Literal["tail", "both"] = "both"
    filtered: bool = True
    memory_budget: Annotated[int | None, BeforeValidator(_sized)] = None


class TrainSpec(_Strict):
    """Device, precision and checkpoints of every training in the run."""

    device: str = "auto"
    precision: str = "auto"
    devices: int = Field(default=1, ge=1)
    checkpoint_every: int | None = Field(default=None, ge=1)


Named = Annotated[Component, BeforeValidator(_named)]
_IMAGE_CONTROLS = ("chance", "eszsl", "shuffled")
_WITHOUT_GENERATOR = "eszsl"
_COMPLETION_CONTROLS = ("chance", "nearest_prior", "shuffled", "link_overlap")
_ORDINARY_CONTROLS = ("chance", "popularity", "rules", "shuffled")


class Recipe(_Strict):
    """What the recipes of both tasks share. Read one with :meth:`read`; it comes as the class of its task."""

    TASKS: ClassVar[tuple[str, ...]] = ("image_classification", "kg_completion")

    task: str
    dataset: Named
    graph: Annotated[GraphSpec, BeforeValidator(_sourced)] | None = None
    priors: Annotated[list[PriorSpec], BeforeValidator(_each_named)] = Field(min_length=1)
    generator: Named | None = Component(name="wgan")
    train: TrainSpec = TrainSpec()
    notes: str | None = None

    _file: str | None = PrivateAttr(default=None)
    _marks: Marks = PrivateAttr(default_factory=dict)

    @classmethod
    def read(cls, path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Recipe:
        """Read a YAML file, apply ``key.key=value`` overrides, expand ``${VARIABLES}`` and check everything.

        Raises:
            InputError: An unreadable file, an unknown key (the nearest known one is given), a bad value, an unknown
                component or one of its options; file and line are named.
        """
        file = Path(path)
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a UTF-8 text"
            raise InputError(f"cannot read the recipe: {reason}", file=file, remedy="see examples/recipes") from None
        return cls.parse(text, file=str(file), overrides=overrides)

    @classmethod
    def parse(cls, text: str, *, file: str | None = None, overrides: Sequence[str] = ()) -> Recipe:
        """As :meth:`read`, from a text; ``file`` is for messages and for relative paths."""
        content, marks = parse_yaml(text, file)
        return cls.build(content, file=file, overrides=overrides, marks=marks)

    @classmethod
    def build(
        cls,
        content: dict[str, Any],
        *,
        file: str | None = None,
        overrides: Sequence[str] = (),
        marks: Marks | None = None,
    ) -> Recipe:
        """As :meth:`read`, from plain values."""
        marks = {} if marks is None else marks
        content = apply_overrides(content, overrides, marks)
        content = expand_variables(content, marks=marks, file=file)
        kinds: dict[str, type[Recipe]] = {"image_classification": ImageRecipe, "kg_completion": CompletionRecipe}
        task = content.get("task")
        if task not in kinds:
            close = nearest(str(task), kinds) or list(kinds)
            problem = "the recipe does not say its task" if task is None else f"no task is called {task!r}"
            remedy = f"write task: {' or task: '.join(close)}"
            raise InputError(problem, file=file, place=marks.get(("task",)), remedy=remedy)
        try:
            recipe = kinds[task].model_validate(content)
        except ValidationError as error:
            raise _explained(error, kinds[task], file, marks) from None
        recipe._file, recipe._marks = file, marks
        recipe.check_components()
        return recipe

    def where(self, *path: str | int) -> dict[str, str | None]:
        """``file=`` and ``place=`` of the key at ``path``, or of the nearest one around it, for an ``InputError``."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._marks:
                return {"file": self._file, "place": self._marks[path[:length]]}
        return {"file": self._file, "place": ".".join(map(str, path)) or None}

    def find_file(self, source: str, *path: str | int) -> Path:
        """A file or folder that the recipe names: from here, beside the recipe, or among the shipped ontologies.

        Raises:
            InputError: It is in none of these places.
        """
        given = Path(source).expanduser()
        places = [given] if given.is_absolute() or self._file is None else [given, Path(self._file).parent / given]
        for place in places:
            if place.exists():
                return place.resolve()
        shipped = _shipped(given)
        if shipped is not None:
            return shipped
        raise InputError(
            f"{source!r} does not exist",
            **self.where(*path),
            remedy="give a path from here, from the recipe's folder, or the name of a shipped ontology",
        )

    def check_components(self) -> None:
        """Check names, options and values of components by their constructors; numbers in text become numbers."""
        from kgzsl import generators, priors

        for number, prior in enumerate(self.priors):
            if prior.name == "file":
                known = {"path", "key", "names"}
                for option in set(prior.options) - known:
                    raise self._unknown(option, known, "the prior 'file'", "priors", number, option)
                if "path" not in prior.options:
                    raise InputError("the prior 'file' needs path:", **self.where("priors", number))
            elif prior.name in priors.encoders.names or ":" in prior.name:
                self._check(priors.encoders, prior, "priors", number)
            elif prior.options:
                # Not an encoder, so a prior of the data set: whether it has it is known when the data are there.
                option = next(iter(prior.options))
                raise self._unknown(
                    option, {"name", "normalise", "weight"}, f"the prior {prior.name!r}", "priors", number, option
                )
        if self.generator is not None:
            self._check(generators.generators, self.generator, "generator")

    def _check(self, resolver: Any, component: Component, *path: str | int) -> None:
        try:
            resolver.find(component.name)
        except InputError as error:
            raise InputError(error.problem, **self.where(*path, "name"), remedy=error.remedy) from None
        for option in component.options:
            try:
                resolver.check(component.name, [option])
                value = resolver.converted(component.name, {option: component.options[option]})
            except InputError as error:
                raise InputError(error.problem, **self.where(*path, option), remedy=error.remedy) from None
            assert component.model_extra is not None
            component.model_extra.update(value)
        self._try_out(resolver, component, *path)

    def _try_out(self, resolver: Any, component: Component, *path: str | int) -> None:
        """Make the component, so that values out of range are told now, with their place, and not after an hour."""
        options = component.options
        needed = inspect.signature(resolver.find(component.name)).parameters.values()
        if any(one.default is one.empty and one.kind not in _VARIADIC and one.name not in options for one in needed):
            return  # the task itself will give it what it needs
        try:
            made = resolver.make(component.name, **options)
            if hasattr(made, "check_options"):
                made.check_options()
        except InputError as error:
            told = next((option for option in options if re.search(rf"\b{option}\b", error.problem)), None)
            place = self.where(*path, told or "name")
            raise InputError(error.problem, **place, remedy=error.remedy or "correct this value") from None

    def _unknown(self, option: str, known: set[str], owner: str, *path: str | int) -> InputError:
        close = nearest(option, known)
        remedy = f"did you mean {close[0]!r}?" if close else f"it takes: {', '.join(sorted(known))}"
        return InputError(f"{owner} has no option {option!r}", **self.where(*path), remedy=remedy)

    def to_dict(self) -> dict[str, Any]:
        """Every value, defaults written out, as plain values; what is None is left out, but for the generator.

        No generator at all is a choice of its own, and not what a recipe without the key means.
        """
        found = self.model_dump(mode="json", exclude_none=True)
        found["generator"] = found.get("generator")
        return {key: found[key] for key in type(self).model_fields if key in found}

    def to_yaml(self) -> str:
        """The resolved recipe as YAML that :meth:`parse` reads back to an equal recipe."""
        return str(yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True, width=120))


class ImageRecipe(Recipe):
    """A recipe of zero-shot image classification."""

    task: Literal["image_classification"] = "image_classification"
    classifier: Annotated[ClassifierSpec, BeforeValidator(_named)] = ClassifierSpec()
    protocol: ImageProtocolSpec = ImageProtocolSpec()
    controls: list[Literal["chance", "eszsl", "shuffled"]] = list(_IMAGE_CONTROLS)  # type: ignore[arg-type]
    answer: Literal["generator", "best"] = "generator"

    def check_components(self) -> None:
        """Check names and options of components against their constructors."""
        from kgzsl import classifiers

        super().check_components()
        if self.generator is None and "classifier" not in self.model_fields_set:
            self.classifier = ClassifierSpec(name=_WITHOUT_GENERATOR)
        self._check(classifiers.classifiers, self.classifier, "classifier")
        if self.generator is None and not _answers_from_priors(self.classifier.name):
            raise InputError(
                f"without a generator the classifier must answer from priors, and {self.classifier.name!r} does not",
                **self.where("classifier"),
                remedy=f"write classifier: {_WITHOUT_GENERATOR}, or give a generator (linear has a closed form)",
            )
        head = self.classifier.prior_head
        if head is not None and not _answers_from_priors(head):
            raise InputError(
                f"the prior head must answer from priors, and {head!r} does not",
                **self.where("classifier", "prior_head"),
                remedy=f"write prior_head: {_WITHOUT_GENERATOR}",
            )
        self._check_search()
        if self.protocol.splits > 1:
            self._check_splits()

    def _check_splits(self) -> None:
        from kgzsl.tasks.image_classification.selection import takes_epochs

        several = {
            "a generator that is trained by epochs": self.generator is not None and takes_epochs(self.generator.name),
            "a gate": self.classifier.gate is not None,
            "several samples_per_class": len(self.classifier.samples_per_class) > 1,
            "several prior_weight": len(self.classifier.prior_weight) > 1,
            "validation: oracle or none": self.protocol.validation != "held-out-classes",
        }
        for what, there in several.items():
            if there:
                raise InputError(
                    f"protocol.splits is {self.protocol.splits}, which does not go with {what}",
                    **self.where("protocol", "splits"),
                    remedy="leave splits out",
                )

    def _check_search(self) -> None:
        from kgzsl import classifiers, generators

        for key, values in self.protocol.search.items():
            part, _, option = key.partition(".")
            owner = {"generator": self.generator, "classifier": self.classifier}.get(part)
            if owner is None or not option or not values:
                raise InputError(
                    f"cannot search {key!r}",
                    **self.where("protocol", "search"),
                    remedy="name generator.OPTION or classifier.OPTION with a list of values",
                )
            if part == "classifier" and option in ClassifierSpec.model_fields:
                raise InputError(
                    f"cannot search {key!r}: it is no option of the classifier itself",
                    **self.where("protocol", "search"),
                    remedy=f"write the list in its place, classifier: {{{option}: [...]}}, and the best is taken"
                    if option in ("samples_per_class", "prior_weight")
                    else None,
                )
            resolver: Any = generators.generators if part == "generator" else classifiers.classifiers
            for value in values:
                component = Component.model_validate({"name": owner.name, **owner.options, option: value})
                self._check(resolver, component, "protocol", "search")


class CompletionRecipe(Recipe):
    """A recipe of knowledge-graph completion with unseen relations.

    With ``ranker: evidence`` (and its options) the method ranks by evidence; a generator, where there is one too, is
    trained beside it for comparison. Without a ranker the generator is the method, and without both the closed form.
    ``ranker: embedding`` is ordinary completion: no priors, no generator, relations that training shows.
    """

    task: Literal["kg_completion"] = "kg_completion"
    priors: Annotated[list[PriorSpec], BeforeValidator(_each_named)] = []
    ranker: Annotated[Component | None, BeforeValidator(_named)] = None
    pairs: dict[str, Any] = {}
    samples_per_relation: int = Field(default=20, ge=1)
    protocol: CompletionProtocolSpec = CompletionProtocolSpec()
    controls: list[Literal["chance", "nearest_prior", "shuffled", "link_overlap", "popularity", "rules"]] = list(
        _COMPLETION_CONTROLS  # type: ignore[arg-type]
    )

    @property
    def ordinary(self) -> bool:
        """Whether relations that training shows are completed, by embeddings."""
        return self.ranker is not None and self.ranker.name == "embedding"

    def check_components(self) -> None:
        """Check names, options and values of components, and the options of the pair features."""
        from kgzsl._resolver import Resolver
        from kgzsl.tasks.kg_completion.pair_features import PairFeatures

        super().check_components()
        pairs = Component.model_validate({**self.pairs, "name": "pairs"})
        self._check(Resolver("section", PairFeatures, {"pairs": PairFeatures}), pairs, "pairs")
        self.pairs = pairs.options
        if self.ranker is not None:
            from kgzsl.tasks.kg_completion.completer import Completer
            from kgzsl.tasks.kg_completion.evidence import EvidenceCompleter
            from kgzsl.tasks.kg_completion.ordinary import EmbeddingCompleter

            rankers = {"evidence": EvidenceCompleter, "embedding": EmbeddingCompleter}
            self._check(Resolver("ranker", Completer, rankers), self.ranker, "ranker")
        self._check_kind()

    def _check_kind(self) -> None:
        """What only one of the two kinds of completion has."""
        if not self.ordinary:
            if not self.priors:
                raise InputError("the key 'priors' is missing", **self.where("task"), remedy="add priors: ...")
            wrong: list[str] = [name for name in self.controls if name in ("popularity", "rules")]
            remedy = f"choose among {', '.join(_COMPLETION_CONTROLS)}"
        else:
            if "generator" in self.model_fields_set and self.generator is not None:
                raise InputError(
                    "an embedding has no generator", **self.where("generator"), remedy="write generator: null"
                )
            self.generator = None
            if self.priors:
                raise InputError("an embedding takes no priors", **self.where("priors"), remedy="leave them out")
            if "controls" not in self.model_fields_set:
                self.controls = list(_ORDINARY_CONTROLS)  # type: ignore[arg-type]
            wrong = [name for name in self.controls if name not in _ORDINARY_CONTROLS]
            remedy = f"choose among {', '.join(_ORDINARY_CONTROLS)}"
        if wrong:
            raise InputError(
                f"this kind of completion has no control {wrong[0]!r}", **self.where("controls"), remedy=remedy
            )


def _answers_from_priors(classifier: str) -> bool:
    from kgzsl import classifiers

    return "priors" in inspect.signature(classifiers.classifiers.find(classifier).fit).parameters  # type: ignore[attr-defined]


def _shipped(path: Path) -> Path | None:
    from kgzsl import datasets

    finder = getattr(datasets, "ontology_path", None)
    if finder is None or path.is_absolute():
        return None
    try:
        found = Path(finder(path.name))
    except (InputError, FileNotFoundError):
        return None
    return found if found.exists() else None


def _explained(error: ValidationError, model: type[BaseModel], file: str | None, marks: Marks) -> InputError:
    """The first of pydantic's complaints as one line with file, line and remedy; unknown keys before bad values."""
    complaints = sorted(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    complaint = complaints[0]
    path = tuple(part for part in complaint["loc"] if not _is_tag(part))
    place = next((marks[path[:n]] for n in range(len(path), 0, -1) if path[:n] in marks), None)
    name = ".".join(map(str, path))
    if complaint["type"] == "extra_forbidden":
        known = _fields_at(model, path[:-1])
        close = nearest(str(path[-1]), known)
        remedy = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
        inside = f" in {'.'.join(map(str, path[:-1]))}" if path[:-1] else ""
        return InputError(f"unknown key {path[-1]!r}{inside}", file=file, place=place, remedy=remedy)
    if complaint["type"] == "missing":
        return InputError(f"the key {name!r} is missing", file=file, place=place, remedy=f"add {path[-1]}: ...")
    if complaint["type"] == "literal_error":
        expected = complaint.get("ctx", {}).get("expected", "")
        given = complaint["input"]
        close = nearest(str(given), [part.strip(" '\"") for part in expected.replace(" or ", ",").split(",")])
        hint = f"did you mean {close[0]!r}? " if close else ""
        return InputError(f"{name} is {given!r}", file=file, place=place, remedy=f"{hint}It is one of {expected}")
    message = str(complaint["msg"]).removeprefix("Value error, ")
    given = complaint["input"]
    told = f"{name} is {given!r}: " if isinstance(given, str | int | float | bool | type(None)) else f"{name}: "
    return InputError(f"{told}{message[:1].lower()}{message[1:]}", file=file, place=place, remedy="correct this value")


def _is_tag(part: str | int) -> bool:
    # Branches of a union show up in pydantic's path beside the keys.
    return isinstance(part, str) and (part in {"int", "float", "str", "list[int]"} or part.startswith("literal["))


def _fields_at(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    """The keys that the model at ``path`` knows."""
    for part in path:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        found = _model_in(annotation)
        if found is None:
            return []
        model = found
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)
