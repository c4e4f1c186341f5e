"""The embedded image data set: Latin letters, described by the Unicode database, drawn from fonts."""

from __future__ import annotations

from typing import Literal

import torch

from kgzsl.datasets.image_features import ImageFeatures
from kgzsl.datasets.latin_images import draw_letters, drawable, gradient_features
from kgzsl.datasets.latin_letters import Letter, held_out_letters, latin_letters
from kgzsl.errors import InputError

__all__ = ["IRI", "drawn_letters", "latin_characters"]

IRI = "urn:kgzsl:latin#"
_UNSEEN = 80
_VALIDATION = 60


def drawn_letters() -> tuple[Letter, ...]:
    """The letters that every DejaVu face has, in order of code points: the classes of the data set and the ontology."""
    letters = latin_letters()
    known = set(drawable([letter.character for letter in letters]))
    return tuple(letter for letter in letters if letter.character in known)


def latin_characters(
    *,
    images_per_class: int = 30,
    size: int = 32,
    features: Literal["pixels", "gradients"] = "pixels",
    seed: int = 0,
) -> ImageFeatures:
    """About 540 Latin letters; 80 composed ones are never shown, only described in ``ontologies/latin_characters.ttl``.

    The class names are the Unicode names in lower case. Letters are unseen in both cases together, and their base and
    marks all occur in seen letters. A fifth of each seen class's pictures are test pictures. ``train_loc`` and
    ``val_loc`` hold another 60 composed letters out for model selection, chosen in the same way among the seen ones.

    Args:
        images_per_class: Pictures of each letter; at least five.
        size: Height and width in pixels: 16, 32 or 64.
        features: ``"pixels"`` gives size * size values in [0, 1]; ``"gradients"`` histograms of gradient directions.
        seed: Of faces, turns, sizes, shifts, noise and of the test pictures; the classes do not depend on it.

    Raises:
        InputError: An option out of range.
    """
    if images_per_class < 5:
        raise InputError(f"images_per_class is {images_per_class}", remedy="draw at least five pictures of each letter")
    if features not in ("pixels", "gradients"):
        raise InputError(f"unknown features {features!r}", remedy="choose 'pixels' or 'gradients'")
    letters = drawn_letters()
    unseen = set(held_out_letters(letters, _UNSEEN))
    seen_letters = [letter for letter in letters if letter.name not in unseen]
    validation = set(held_out_letters(seen_letters, _VALIDATION, salt="validation letters"))
    pictures = draw_letters([letter.character for letter in letters], images_per_class, size=size, seed=seed)
    labels = torch.arange(len(letters)).repeat_interleave(images_per_class)
    is_unseen = torch.tensor([letter.name in unseen for letter in letters])
    is_validation = torch.tensor([letter.name in validation for letter in letters])
    test_count = max(1, images_per_class // 5)
    random = torch.Generator().manual_seed(seed + 1)
    rank = torch.rand(len(letters), images_per_class, generator=random).argsort(dim=1).reshape(-1)
    is_test = rank < test_count
    trained = ~is_unseen[labels] & ~is_test
    return ImageFeatures(
        features=pictures.flatten(1) if features == "pixels" else gradient_features(pictures),
        labels=labels,
        class_names=tuple(letter.name for letter in letters),
        seen=torch.nonzero(~is_unseen).flatten(),
        unseen=torch.nonzero(is_unseen).flatten(),
        trainval_loc=torch.nonzero(trained).flatten(),
        test_seen_loc=torch.nonzero(~is_unseen[labels] & is_test).flatten(),
        test_unseen_loc=torch.nonzero(is_unseen[labels]).flatten(),
        train_loc=torch.nonzero(trained & ~is_validation[labels]).flatten(),
        val_loc=torch.nonzero(trained & is_validation[labels]).flatten(),
        name="latin_characters",
        graph_source=_ontology(),
        class_info={
            "character": tuple(letter.character for letter in letters),
            "codepoint": tuple(letter.codepoint for letter in letters),
            "iri": tuple(IRI + letter.local_name for letter in letters),
        },
    )


def _ontology() -> str | None:
    from kgzsl.datasets.registry import ontology_path

    try:
        return str(ontology_path("latin_characters"))
    except InputError:
        return None
