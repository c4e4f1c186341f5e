"""Class vectors from the text tower of a CLIP model, in the space of its image features."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from kgzsl.errors import InputError
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors._unspoken import NAME_ALONE
from kgzsl.priors.base import PriorEncoder, warn_bare
from kgzsl.priors.text.clip_tower import DEFAULT_MODEL, find_tower, tower_name
from kgzsl.priors.text.prompts import DEFAULT_TEMPLATES, Prompts, checked_templates
from kgzsl.priors.text.verbalise import PARTS, Verbaliser

if TYPE_CHECKING:
    from kgzsl.engine import Engine
    from kgzsl.knowledge import ClassGraph

__all__ = ["ClipText"]


class ClipText(PriorEncoder):
    """The text tower of CLIP reads names of classes in templates, and, if asked, what else the graph says of them.

    Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (ICML 2021), section 3.1.4:
    ``v = n / ||n||`` with n the mean of ``e / ||e||`` over every name of the class in every template. Definitions and
    axioms are sentences of their own; with several parts v is the mean of the parts' unit vectors, brought to length 1.
    Features of the image tower of the same model lie in the same space: the classifier ``clip`` compares them without
    training.

    Args:
        model: Of open_clip: ``"ViT-B-32/openai"``, ``"ViT-B-32/PATH"`` with weights in a file, or ``"hf-hub:..."``; as
            behind ``clip:`` in the name of a backbone. Needs the extra ``vision``.
        templates: Sentences in which ``{}`` stands for a name.
        parts: What is read: ``"label"`` and ``"synonyms"`` are names, ``"definition"`` and ``"axioms"`` sentences.
        split_names: Whether names without spaces are cut into words.
        batch_size: Texts for one call of the tower.
        device: None takes the engine's device.
        cache: Folder where vectors of sentences are kept; ``"auto"`` is the user's cache, None keeps none.
        tower: Your own in place of ``model``: an object with ``encode_text(list of texts)`` and a ``name``, or its
            import path ``package.module:name``.
    """

    name: ClassVar[str] = "clip_text"
    family: ClassVar[str] = "text"

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        templates: str | Sequence[str] = DEFAULT_TEMPLATES,
        parts: Sequence[str] = ("label",),
        split_names: bool = True,
        batch_size: int = 256,
        device: str | None = None,
        cache: str | os.PathLike[str] | None = "auto",
        tower: Any = None,
    ) -> None:
        if batch_size < 1:
            raise InputError(f"batch_size={batch_size!r} is less than 1")
        unknown = [part for part in parts if part not in PARTS]
        if unknown or not parts:
            raise InputError(f"parts={list(parts)!r} is not known", remedy=f"choose among {', '.join(PARTS)}")
        self.model = model
        self.templates = checked_templates(templates)
        self.parts = tuple(parts)
        self.split_names = split_names
        self.batch_size = batch_size
        self.device = device
        self.cache = None if cache is None else os.fspath(cache)
        self.tower = tower

    def fit(self, graph: ClassGraph, *, engine: Engine | None = None) -> Self:
        """Keep the graph; the tower is pretrained."""
        device = self.device or (str(engine.torch_device) if engine is not None else None)
        kept: tuple[str | None, Prompts] | None = getattr(self, "_kept", None)
        if kept is None or kept[0] != device:
            tower = find_tower(self.model, self.tower, device)
            self._kept = device, Prompts(tower, self.templates, batch_size=self.batch_size, cache=self.cache)
        self._verbaliser = Verbaliser(graph, self.parts, split_names=self.split_names)
        self.graph = graph
        return self

    def reads_classes_alone(self) -> bool:
        """See :class:`PriorEncoder`."""
        return True

    def words(self, names: Iterable[str]) -> dict[str, list[str]]:
        """The names of each class that stand in the templates."""
        _, wanted, rows = self._rows(names)
        return {name: self._names(int(row)) for name, row in zip(wanted, rows, strict=True)}

    def priors(self, names: Iterable[str]) -> ClassPriors:
        """Unit vectors of the classes; those about which the graph says nothing but an IRI are warned of by name.

        ``made`` tells the tower and its ``logit_scale``, where it has one.

        Raises:
            InputError: Not fitted, names that are not in the graph, or the extra ``vision`` is missing.
        """
        _, wanted, rows = self._rows(names)
        say, prompts = self._verbaliser, self._kept[1]
        warn_bare(
            NAME_ALONE,
            [name for name, row in zip(wanted, rows, strict=True) if not say.says_something(int(row))],
        )
        words = [self._names(int(row)) for row in rows]
        sums = np.zeros(0)
        for part in ("names", "definition", "axioms"):
            told = words if part == "names" else [self._sentence(int(row), part) for row in rows]
            places = [place for place, own in enumerate(told) if own]
            if not places:
                continue
            block = (
                prompts.names([told[place] for place in places])
                if part == "names"
                else prompts.sentences([told[place][0] for place in places])
            )
            sums = sums if len(sums) else np.zeros((len(rows), block.shape[1]))
            sums[places] += block
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        about: dict[str, Any] = {"tower": tower_name(prompts.tower)}
        scale = getattr(prompts.tower, "logit_scale", None)
        if scale is not None:
            about["logit_scale"] = float(scale)
        found = self._finish(wanted, sums / np.where(length > 0, length, 1.0), **about)
        found.made["options"].pop("cache")  # a place on this machine
        if not isinstance(self.tower, str | None):
            found.made["options"]["tower"] = about["tower"]
        return found

    def _names(self, node: int) -> list[str]:
        """The names that stand in templates; the label where no part says anything of the class."""
        say = self._verbaliser
        found = [say.name(node)] if "label" in self.parts else []
        if "synonyms" in self.parts:
            found += say.synonyms(node)
        silent = not found and not any(self._sentence(node, part) for part in self.parts)
        return [say.name(node)] if silent else found

    def _sentence(self, node: int, part: str) -> list[str]:
        if part not in self.parts or part not in ("definition", "axioms"):
            return []
        text = self._verbaliser.part(node, part)
        return [text] if text else []
