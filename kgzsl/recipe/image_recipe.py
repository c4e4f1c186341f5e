"""The recipe of zero-shot image classification."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from kgzsl.errors import InputError
from kgzsl.recipe.base import Recipe
from kgzsl.recipe.specs import (
    ClassifierSpec,
    Component,
    CompositionsSpec,
    ImageProtocolSpec,
    RelevanceSpec,
    UnlabeledSpec,
    named,
    sourced,
    told_by,
)

__all__ = ["ImageRecipe"]

_IMAGE_CONTROLS = ("chance", "eszsl", "shuffled")
_WITHOUT_GENERATOR = "eszsl"


class ImageRecipe(Recipe):
    """A recipe of zero-shot image classification."""

    task: Literal["image_classification"] = "image_classification"
    classifier: Annotated[ClassifierSpec, BeforeValidator(named)] = ClassifierSpec()
    compositions: Annotated[CompositionsSpec | None, BeforeValidator(told_by)] = None
    relevance: RelevanceSpec | None = None
    protocol: ImageProtocolSpec = ImageProtocolSpec()
    controls: list[Literal["chance", "eszsl", "shuffled"]] = Field(
        default_factory=lambda: list(_IMAGE_CONTROLS)  # type: ignore[arg-type]
    )
    answer: Literal["generator", "best"] = "generator"
    unlabeled: Annotated[UnlabeledSpec | None, BeforeValidator(sourced)] = None

    @property
    def setting(self) -> str:
        """``"transductive"`` where unlabelled rows are looked at, else ``"inductive"``."""
        return "inductive" if self.unlabeled is None else "transductive"

    @property
    def is_eszsl(self) -> bool:
        """Whether ESZSL is the method itself, and not what stands beside it."""
        from kgzsl import classifiers

        name = self.classifier.name
        return self.generator is None and classifiers.classifiers.find(name) is classifiers.ESZSL

    @property
    def criterion(self) -> str:
        """What choices are made by; as published, ESZSL's own are made by the accuracy on unseen classes alone."""
        return self.protocol.criterion or ("zsl.top1" if self.is_eszsl else "both")

    def check_components(self) -> None:
        """Check names and options of components against their constructors."""
        from kgzsl import classifiers
        from kgzsl.classifiers.needs import takes_priors

        super().check_components()
        if self.generator is None and "classifier" not in self.model_fields_set:
            self.classifier = ClassifierSpec(name=_WITHOUT_GENERATOR)
        self.check_component(classifiers.classifiers, self.classifier, "classifier")
        if self.generator is None and not takes_priors(self.classifier.name):
            raise InputError(
                f"without a generator the classifier must answer from priors, and {self.classifier.name!r} does not",
                **self.where("classifier"),
                remedy=f"write classifier: {_WITHOUT_GENERATOR}, or give a generator (linear has a closed form)",
            )
        head = self.classifier.prior_head
        if head is not None and not takes_priors(head):
            raise InputError(
                f"the prior head must answer from priors, and {head!r} does not",
                **self.where("classifier", "prior_head"),
                remedy=f"write prior_head: {_WITHOUT_GENERATOR}",
            )
        self._check_compositions()
        self._check_unlabeled()
        if self.relevance is not None:
            self._check_relevance()
        self._check_search()
        if self.protocol.splits > 1:
            self._check_splits()

    def _check_compositions(self) -> None:
        from kgzsl.classifiers.needs import reads_pairs
        from kgzsl.priors import PriorEncoder, encoders
        from kgzsl.tasks.image_classification._pairs import answers_open_world

        names = [self.classifier.name, *([self.classifier.prior_head] if self.classifier.prior_head else [])]
        asking = next((name for name in names if reads_pairs(name)), None)
        if self.compositions is None:
            if asking is not None:
                raise InputError(
                    f"the classifier {asking!r} has pairs for classes, and the recipe does not say which pair each is",
                    **self.where("classifier"),
                    remedy="write compositions: {attribute: RELATION, object: RELATION} of the class graph, "
                    "compositions: TABLE.csv (class,attribute,object), or compositions: data",
                )
            return
        if asking is not None and "split" in self.classifier.options:
            raise InputError(
                "which columns of the priors are the attribute's is known where a recipe has compositions",
                **self.where("classifier", "split"),
                remedy="leave split out",
            )
        if self.compositions.open and not answers_open_world(self):
            raise InputError(
                "an open world is for a classifier that answers from priors, without prior head and gate",
                **self.where("compositions", "open"),
                remedy="leave open out, or write classifier: compositional, eszsl, nearest-prior or prototypes; a "
                "generator may stay",
            )
        for number, spec in enumerate(self.priors):
            known = spec.name in encoders.names
            if known and encoders.find(spec.name).observe is not PriorEncoder.observe:
                raise InputError(
                    f"the prior {spec.name!r} chooses by features of classes, and compositions ask for those of parts",
                    **self.where("priors", number),
                    remedy="name one that the graph alone tells: tfidf, transe, rdf2vec",
                )

    def _check_unlabeled(self) -> None:
        from kgzsl import generators
        from kgzsl.classifiers.needs import takes_unlabeled

        name, head = self.classifier.name, self.classifier.prior_head
        if head is not None and takes_unlabeled(head):
            raise InputError(
                f"the prior head {head!r} looks at unlabelled data, which a prior head is not given",
                **self.where("classifier", "prior_head"),
                remedy=f"write prior_head: {_WITHOUT_GENERATOR}",
            )
        if self.unlabeled is None:
            if takes_unlabeled(name):
                raise InputError(
                    f"the classifier {name!r} looks at unlabelled data, and the recipe opens no door to them",
                    **self.where("classifier"),
                    remedy="write unlabeled: test (the features of the test rows, never their labels), or unlabeled: "
                    "FILE; the run is then stamped transductive",
                )
            return
        own = None if self.generator is None else self.generator.name
        if not (takes_unlabeled(name) or (own is not None and generators.takes_unlabeled(own))):
            raise InputError(
                f"nothing looks at the unlabelled data: neither the generator {own!r} nor the classifier {name!r}",
                **self.where("unlabeled"),
                remedy="leave unlabeled out, or choose cascade, self-training, multi-view, f-vaegan or tf-vaegan",
            )
        if self.answer == "best":
            raise InputError(
                "answer: best takes the better of two methods; one looks at unlabelled data, and ESZSL does not",
                **self.where("answer"),
                remedy="leave answer out: ESZSL stays beside the method as a control",
            )
        if self.classifier.gate is not None and takes_unlabeled(name) and self.unlabeled.kind_known:
            raise InputError(
                f"behind a gate the expert of the unseen classes answers for all rows, and {name!r} would know which "
                "of them are of unseen classes",
                **self.where("classifier", "gate"),
                remedy=f"write unlabeled: {{source: {self.unlabeled.source}, kind: unknown}}, or unseen_bias: "
                "validation in place of the gate",
            )

    def _check_relevance(self) -> None:
        from kgzsl import classifiers, generators
        from kgzsl.tasks.image_classification._relevance import takes_weights

        resolver: Any = classifiers.classifiers if self.generator is None else generators.generators
        name = self.classifier.name if self.generator is None else self.generator.name
        if not takes_weights(resolver.find(name)):
            raise InputError(
                f"{name!r} takes no weights of rows, so relevance has nothing to weigh",
                **self.where("relevance"),
                remedy="leave relevance out, or write generator: linear or classifier: eszsl",
            )

    def _check_searched_relevance(self, option: str, values: list[Any]) -> None:
        assert self.relevance is not None
        for value in values:
            try:
                RelevanceSpec.model_validate({**self.relevance.model_dump(), option: value})
            except ValidationError as error:
                why = str(error.errors()[0]["msg"])
                raise InputError(
                    f"cannot search relevance.{option}={value!r}: {why}", **self.where("protocol", "search")
                ) from None

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
            if part == "relevance" and values and option in RelevanceSpec.model_fields and self.relevance is not None:
                self._check_searched_relevance(option, values)
                continue
            owner = {"generator": self.generator, "classifier": self.classifier}.get(part)
            if owner is not None and option == "name":
                raise InputError(
                    f"cannot search {key!r}: a search is over options of one {part}",
                    **self.where("protocol", "search"),
                    remedy="compare several with kgzsl compare --generators and --classifiers",
                )
            if owner is None or not option or not values:
                raise InputError(
                    f"cannot search {key!r}",
                    **self.where("protocol", "search"),
                    remedy="name generator.OPTION or classifier.OPTION with a list of values, or relevance.OPTION "
                    "beside relevance: {...}",
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
                self.check_component(resolver, component, "protocol", "search")
