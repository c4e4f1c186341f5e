"""The embedded data set of compositions: Latin letters that are one base form and one mark."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from kgzsl.datasets.image_features import ImageFeatures
from kgzsl.datasets.latin_characters import drawn_letters, latin_characters

__all__ = ["latin_compositions"]


def latin_compositions(
    *,
    images_per_class: int = 20,
    size: int = 32,
    features: Literal["pixels", "gradients"] = "gradients",
    seed: int = 0,
) -> ImageFeatures:
    """The 422 letters of :func:`latin_characters` that bear one mark: a class is a mark (27) and a base form (51).

    The 60 of them that are unseen there are unseen here: base form and mark of each occur in seen letters. Which pair a
    class is, is told by ``class_info`` (``"attribute"``: the mark, ``"object"``: the base form) and by the ontology's
    ``hasMark`` and ``hasBase``; ligatures, dotless letters, plain ones and those with two marks are no pairs.

    Args:
        images_per_class: Pictures of each letter; at least five.
        size: Height and width in pixels: 16, 32 or 64.
        features: ``"gradients"`` gives histograms of gradient directions, ``"pixels"`` size * size values in [0, 1].
        seed: Of faces, turns, sizes, shifts, noise and of the test pictures; the classes do not depend on it.

    Raises:
        InputError: An option out of range.
    """
    every = latin_characters(images_per_class=images_per_class, size=size, features=features, seed=seed)
    one_mark = (letter for letter in drawn_letters() if len(letter.marks) == 1)
    kept = [letter for letter in one_mark if not letter.is_ligature and not letter.dotless]
    data = every.subset([letter.name for letter in kept])
    bases = (letter.bases[0] if letter.case == "capital" else letter.bases[0].lower() for letter in kept)
    parts = {
        "attribute": tuple(letter.marks[0].name for letter in kept),
        "object": tuple(f"base form of {letter.case} {base}" for letter, base in zip(kept, bases, strict=True)),
    }
    return replace(data, name="latin_compositions", class_info={**data.class_info, **parts})
