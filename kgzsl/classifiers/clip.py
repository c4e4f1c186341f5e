"""CLIP's zero-shot classifier: image features against text vectors of the classes, nothing trained."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from kgzsl._options import check_kind, check_numbers
from kgzsl.classifiers._candidates import one_prior, prior_matrix
from kgzsl.classifiers._inputs import float_matrix
from kgzsl.classifiers.prior_classifier import PriorClassifier
from kgzsl.errors import InputError

__all__ = ["ClipZeroShot"]

_ENCODER = "clip_text"
_FAMILY = "clip:"
_SCALE = 100.0  # to which CLIP's own is clamped in training, and where it ends


class ClipZeroShot(PriorClassifier):
    """``s(x, c) = scale x' t_c / (||x|| ||t_c||)`` with t_c the text vector of class c and x of the same model.

    Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (ICML 2021). The text
    vectors are those of the prior ``clip_text`` among the priors, or of the classes' names, by ``model`` or ``tower``.
    A second opinion beside other experts: as ``prior_head``, and in gates.

    Args:
        model: A model of open_clip, whose text tower reads the classes' names; None takes the priors' own vectors.
        templates: Sentences in which ``{}`` stands for a name; for ``model`` and ``tower``.
        tower: Your own in place of ``model``; see :func:`kgzsl.priors.text.clip_tower.find_tower`.
        scale: What a cosine is multiplied by; None is the model's own, 100 where it is not known.
        backbone: What made the features; a run tells its own. One of another CLIP model is refused.
        cache: As for :class:`kgzsl.priors.ClipText`.
        device: Where it computes; None follows X.

    Attributes:
        priors_: float64 [C, D], the text vectors.
        scale_: float32, the factor.
        columns_: int64 [3]: which columns of the priors are the text vectors (from, to, of all); zeros with a tower.
    """

    scale_: Tensor
    columns_: Tensor
    normalise = "l2"
    _prompts: Any = None  # not kept on disk

    _learnt: ClassVar[tuple[str, ...]] = ("scale_", "columns_")

    def __init__(
        self,
        model: str | None = None,
        templates: str | Sequence[str] | None = None,
        tower: Any = None,
        scale: float | None = None,
        backbone: str | None = None,
        cache: str | os.PathLike[str] | None = "auto",
        device: torch.device | str | None = None,
    ) -> None:
        self.model = model
        self.templates = templates
        self.tower = tower
        self.scale = scale
        self.backbone = backbone
        self.cache = cache
        self.device = device

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        super().check_options()
        check_numbers(self, "scale", zero=False, instead=(None,))
        check_kind(self.model, "model", str, "the name of a model of open_clip")
        check_kind(self.backbone, "backbone", str, "the name of a backbone")
        check_kind(self.cache, "cache", (str, os.PathLike), "a folder")
        if self.templates is not None:
            from kgzsl.priors.text.prompts import checked_templates

            checked_templates(self.templates)
            if not self._reads_names():
                raise InputError(
                    "templates go with model or tower",
                    remedy="give model='ViT-B-32/openai', or the prior its templates",
                )

    def fit(self, X: Any, y: Any = None, priors: Any = None) -> ClipZeroShot:
        """Take the classes and their text vectors; of X and y only which classes are seen, and the width.

        Args:
            X: Features [N, D] of the image tower; None where there are none, and all classes are unseen.
            y: Class names (or rows of a bare prior matrix).
            priors: ``ClassPriors``, or a matrix [C, D] of text vectors.

        Raises:
            InputError: The features are not of the tower that made the text vectors, no text vectors among the priors,
                or what every classifier that answers from priors refuses.
        """
        self.check_options()
        if priors is None:
            raise InputError("ClipZeroShot needs priors", remedy="give priors=ClassPriors or a matrix [C, D]")
        self._prompts = None
        names, matrix = prior_matrix(priors, torch.device("cpu"))
        vectors, made = self._read_names(names) if self._reads_names() else self._own_columns(priors, matrix)
        tower = made.get("tower")
        if X is not None:
            X = float_matrix(X, "X", device=self.device)
            self._check_tower(X.shape[1], vectors.shape[1], tower)
        else:
            X, y = np.zeros((1, vectors.shape[1]), dtype=np.float32), names[:1]
        self._start(X, y, _Named(names, vectors.numpy()), torch.float32)
        scale = self.scale or made.get("logit_scale") or _SCALE
        self.scale_ = torch.tensor(float(scale), device=self.priors_.device)
        return self

    def add_class(self, name: Any, prior: Any) -> ClipZeroShot:
        """See :meth:`PriorClassifier.add_class`; the row is of all the priors (names need none)."""
        self._check_fitted("priors_")
        whole = int(self.columns_[2])
        return self.add_classes([name], None if self._reads_names() else one_prior(prior, whole, self.priors_.device))

    def add_classes(self, names: Sequence[Any], priors: Any) -> ClipZeroShot:
        """See :meth:`add_class`."""
        self._check_fitted("priors_")
        if self._reads_names():
            return super().add_classes(names, self._read_names(np.array(names))[0])
        start, stop, whole = self.columns_.tolist()
        rows = float_matrix(priors, "priors", columns=whole, device=self.priors_.device)
        return super().add_classes(names, rows[:, start:stop])

    def _scores(self, features: Tensor, priors: Tensor) -> Tensor:
        return self.scale_.to(features) * (features @ priors.to(features).T)

    def _reads_names(self) -> bool:
        return self.model is not None or self.tower is not None

    def _read_names(self, names: np.ndarray) -> tuple[Tensor, dict[str, Any]]:
        from kgzsl.knowledge.texts import humanise
        from kgzsl.priors.text.clip_tower import DEFAULT_MODEL, find_tower, tower_name
        from kgzsl.priors.text.prompts import DEFAULT_TEMPLATES, Prompts

        if self._prompts is None:
            device = None if self.device is None else str(self.device)
            tower = find_tower(self.model or DEFAULT_MODEL, self.tower, device)
            self._prompts = Prompts(tower, self.templates or DEFAULT_TEMPLATES, cache=self.cache)
        words = [[humanise(word.strip()) for word in str(name).split(",") if word.strip()] for name in names.tolist()]
        tower = self._prompts.tower
        self.columns_ = torch.zeros(3, dtype=torch.int64)
        made = {"tower": tower_name(tower), "logit_scale": getattr(tower, "logit_scale", None)}
        return torch.from_numpy(self._prompts.names(words)), made

    def _own_columns(self, priors: Any, matrix: Tensor) -> tuple[Tensor, dict[str, Any]]:
        """The text vectors among the priors, and how they were made."""
        parts = list(_parts(getattr(priors, "made", {}), matrix.shape[1]))
        for start, stop, how in parts:
            # A bare matrix can only be what it is taken for; vectors of another encoder are none.
            if how.get("encoder") == _ENCODER or (len(parts) == 1 and not how.get("encoder")):
                if how.get("normalised") == "standard":
                    raise InputError(
                        "the CLIP text vectors were standardised, which leaves the space of the image features",
                        remedy="give the prior normalise: l2",
                    )
                self.columns_ = torch.tensor([start, stop, matrix.shape[1]])
                return matrix[:, start:stop], how
        raise InputError(
            f"none of the priors is {_ENCODER}: there are no text vectors to compare features with",
            remedy=f"add the prior {_ENCODER}, or give model='ViT-B-32/openai', which reads the classes' names",
        )

    def _check_tower(self, features: int, texts: int, tower: str | None) -> None:
        from kgzsl.datasets.clip_models import clip_name

        remedy = "take features of the image tower of the same model"
        if tower is not None and tower.startswith(_FAMILY):
            remedy += f": --backbone {tower}"
        if features != texts:
            raise InputError(
                f"the features have {features} numbers and the text vectors of {tower or 'the priors'} {texts}: they "
                "are not of one CLIP model",
                remedy=remedy,
            )
        if self.backbone is None or tower is None:
            return
        both = [clip_name(name) if name.startswith(_FAMILY) else name for name in (self.backbone, tower)]
        # Of towers and backbones of one's own nobody knows whether they belong together.
        if both[0] != both[1] and any(name.startswith(_FAMILY) for name in both):
            raise InputError(
                f"the features are of {self.backbone}, the text vectors of {tower}: they are not of one CLIP model",
                remedy=remedy,
            )


def _parts(made: Mapping[str, Any], dim: int, start: int = 0) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """From, to and how it was made, of each of the vectors that were put side by side, however deep."""
    if not made.get("parts"):
        yield start, start + dim, dict(made)
        return
    outer = {"normalised": "standard"} if made.get("normalised") == "standard" else {}
    for part in made["parts"]:
        for first, last, how in _parts(part["how"], int(part["dim"]), start):
            yield first, last, {**how, **outer}
        start += int(part["dim"])


class _Named:
    """Names and vectors, as priors come."""

    def __init__(self, names: np.ndarray, matrix: np.ndarray) -> None:
        self.names, self.matrix = names, matrix
