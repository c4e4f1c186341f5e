"""The classifiers of a run, not yet fitted: what the recipe says, with what was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kgzsl import generators
from kgzsl.classifiers.needs import needs_graph, takes_graph
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.image_classification._relevance import asked_relevance
from kgzsl.tasks.image_classification.selection import Choice, takes_epochs
from kgzsl.tasks.image_classification.zero_shot_classifier import ZeroShotClassifier

if TYPE_CHECKING:
    from kgzsl.recipe import ImageRecipe

__all__ = ["RunModels"]


class RunModels:
    """Makes the models of a run.

    Args:
        recipe: What they are.
        graph: The class graph, for those that read one.
        backbone: What made the features of images, which a model keeps.
    """

    def __init__(self, recipe: ImageRecipe, graph: ClassGraph | None, backbone: Any) -> None:
        self.recipe, self.graph, self.backbone = recipe, graph, backbone

    def method(
        self, seed: int, choice: Choice | None = None, eszsl: Choice | None = None, *, shuffle: int | None = None
    ) -> ZeroShotClassifier:
        """The recipe's classifier, not yet fitted; with what was chosen, and ESZSL's weights for a prior head.

        A classifier or generator that reads the class graph gets it, shuffled with the seed ``shuffle`` where that is
        given.

        Raises:
            InputError: It reads the class graph, and there is none.
        """
        recipe, choice = self.recipe, choice or Choice()
        name = None if recipe.generator is None else recipe.generator.name
        options = {} if recipe.generator is None else dict(recipe.generator.options)
        options.update(choice.generator_options or {})
        if choice.epochs is not None and takes_epochs(name):
            options["epochs"] = choice.epochs
        if name is not None and generators.takes_graph(name, **options):
            options["graph"] = self._read_graph(f"the generator {name!r}", "generator", shuffle)
        spec = recipe.classifier
        weight = choice.prior_weight
        classifier_options = {**spec.options, **(choice.options or {})}
        if takes_graph(spec.name) and (self.graph is not None or needs_graph(spec.name, classifier_options)):
            classifier_options["graph"] = self._read_graph(f"the classifier {spec.name!r}", "classifier", shuffle)
        model = ZeroShotClassifier(
            name,
            spec.name,
            samples_per_class=spec.samples_per_class[0],
            real_per_class=spec.real_per_class,
            balanced=spec.balanced,
            unseen_bias=spec.unseen_bias if isinstance(spec.unseen_bias, float) else 0.0,
            prior_head=spec.prior_head,
            prior_weight=spec.prior_weight[0] if weight is None else weight,
            prior_options=eszsl.options if eszsl is not None and spec.prior_head == "eszsl" else None,
            generator_options=options,
            classifier_options=classifier_options,
            relevance=asked_relevance(recipe, choice.relevance, self.graph, shuffle),
            seed=seed,
            device=recipe.train.device,
            precision=recipe.train.precision,
        )
        model.backbone_ = self.backbone
        return model

    def eszsl(self, choice: Choice | None = None) -> ZeroShotClassifier:
        """The ESZSL beside a method, not yet fitted; what the recipe says of its classifier is none of its business."""
        options = None if choice is None else choice.options
        return ZeroShotClassifier(None, "eszsl", classifier_options=options, device=self.recipe.train.device)

    def _read_graph(self, who: str, key: str, shuffle: int | None) -> ClassGraph:
        if self.graph is None:
            raise InputError(f"{who} needs a class graph", **self.recipe.where(key), remedy="give graph: {source: ...}")
        return self.graph if shuffle is None else self.graph.shuffled(shuffle)
