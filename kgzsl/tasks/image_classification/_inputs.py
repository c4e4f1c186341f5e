"""What users hand over, to tensors: features of any kind, labels as names or numbers, candidates."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kgzsl import classifiers
from kgzsl._options import check_flags, check_kind, check_number, check_seed, check_whole
from kgzsl.classifiers._candidates import frame_names
from kgzsl.classifiers._inputs import missing_label, plain
from kgzsl.errors import InputError, nearest

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassPriors

__all__ = [
    "as_candidates",
    "as_features",
    "as_labels",
    "as_priors",
    "check_options",
    "class_of_pair",
    "nearest_of_many",
    "warn_of_twins",
]


def as_priors(priors: Any) -> ClassPriors:
    """Priors of all classes: as given; of a data frame that class names index; or of a matrix, its classes numbered.

    Raises:
        InputError: Not a table of numbers.
    """
    from kgzsl.knowledge import ClassPriors

    if isinstance(priors, ClassPriors):
        return priors
    names = frame_names(priors)
    matrix = np.asarray(priors.detach().cpu() if isinstance(priors, Tensor) else priors)
    if matrix.ndim != 2:
        raise InputError(
            f"priors have the shape {list(matrix.shape)}",
            remedy="give ClassPriors, a data frame indexed by class names, or a matrix [C, P]",
        )
    return ClassPriors(tuple(names or (str(row) for row in range(len(matrix)))), matrix)


def check_options(model: Any) -> None:
    """Refuse options of a ``ZeroShotClassifier``, and of the parts that it names, which are of another kind or out of
    range: before a generator is trained that they are of no use to.

    Raises:
        InputError: The first such option.
    """
    check_whole(model, "samples_per_class")
    check_whole(model, "real_per_class", instead=(None,))
    check_number(model.unseen_bias, "unseen_bias", negative=True, infinite=True)
    check_number(model.prior_weight, "prior_weight", negative=True)
    check_flags(model, "balanced")
    check_seed(model.seed)
    for name in ("generator_options", "classifier_options", "prior_options", "relevance"):
        check_kind(getattr(model, name), name, Mapping, "a mapping of option to value")
    classifiers.classifiers.try_out(model.classifier, model.classifier_options or {})
    if model.prior_head is not None:
        classifiers.classifiers.try_out(model.prior_head, model.prior_options or {})


def as_features(features: Any, *, dim: int | None = None) -> Tensor:
    """Float32 [N, D] on the CPU or where the tensor was; numpy, torch, pandas, scipy sparse or nested lists.

    Args:
        features: The features.
        dim: D, where it is known.

    Raises:
        InputError: Not a table of real numbers, NaN or infinite values (the first row is named), or another D.
    """
    if hasattr(features, "toarray"):
        features = features.toarray()
    elif hasattr(features, "to_numpy"):
        features = features.to_numpy()
    if not isinstance(features, Tensor):
        try:
            array = np.asarray(features)
            if np.iscomplexobj(array):
                raise TypeError("complex numbers")
            if array.dtype.kind in "USO":
                array = array.astype(np.float64)
            features = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
        except (TypeError, ValueError) as error:
            raise InputError(f"features are not a table of numbers ({error})", remedy="give [samples, dims]") from None
    if features.ndim != 2:
        remedy = "one sample is features.reshape(1, -1)" if features.ndim == 1 else "give [samples, dimensions]"
        raise InputError(f"features have the shape {list(features.shape)}, not [samples, dimensions]", remedy=remedy)
    if features.is_complex():
        raise InputError("features are not a table of numbers (complex numbers)", remedy="give [samples, dims]")
    table: Tensor = features.detach().to(torch.float32)
    if dim is not None and table.shape[1] != dim:
        raise InputError(
            f"features have {table.shape[1]} dimensions, the model was fitted on {dim}",
            remedy="use the features that it was fitted on",
        )
    bad = torch.nonzero(~torch.isfinite(table).all(dim=1))
    if len(bad):
        raise InputError(
            f"features of sample {int(bad[0])} have NaN or infinite values ({len(bad)} samples in all)",
            remedy="remove or repair these rows",
        )
    return table


def as_labels(labels: Any, names: Sequence[str], *, count: int) -> tuple[npt.NDArray[np.int64], bool]:
    """int64 [N], rows of ``names``, and whether the labels were numbers.

    Raises:
        InputError: Another number of labels than samples, a name that the priors lack, or a number out of range.
    """
    array = plain(labels)
    if array.ndim != 1 or len(array) != count:
        raise InputError(f"labels have the shape {list(array.shape)} for {count} samples", remedy="give one a sample")
    absent = missing_label(array) if array.dtype.kind == "O" else None
    if absent is not None:
        raise InputError(f"sample {absent} has no label", remedy="leave such samples out")
    if array.dtype.kind in "iu":
        outside = np.flatnonzero((array < 0) | (array >= len(names)))
        if len(outside):
            raise InputError(
                f"the label {array[outside[0]]} of sample {outside[0]} is outside the class list 0..{len(names) - 1}",
                remedy="integer labels are rows of the priors",
            )
        return array.astype(np.int64), True
    if array.dtype.kind == "f":
        raise InputError("labels are real numbers", remedy="give class names or integer rows of the priors")
    row = {name: number for number, name in enumerate(names)}
    used, inverse = np.unique(array.astype(np.str_), return_inverse=True)
    missing = [str(name) for name in used if str(name) not in row]
    if missing:
        close = nearest(missing[0], names)
        told = f"; nearest to it: {', '.join(map(repr, close))}" if close else ""
        raise InputError(
            f"{len(missing)} classes of the labels have no prior: {', '.join(map(repr, missing[:10]))}{told}",
            remedy="give priors for them, or correct the names",
        )
    return np.array([row[str(name)] for name in used], dtype=np.int64)[inverse], False


_KINDS = ("all", "unseen", "seen")
_SEARCHED = 20_000


def as_candidates(
    candidates: str | Sequence[Any],
    names: Sequence[str],
    is_seen: npt.NDArray[np.bool_],
    beyond: Sequence[str] = (),
    pairs: Mapping[str, Sequence[str]] | None = None,
) -> npt.NDArray[np.int64]:
    """The classes meant by ``"all"``, ``"unseen"``, ``"seen"``, or a list of names or rows, int64 [K].

    Args:
        candidates: These words, or the list; with ``beyond`` also ``"open"``: they and all classes.
        names: Of all classes.
        is_seen: Which of them had samples.
        beyond: Names that an open world may answer too; they are counted on after the classes.
        pairs: Which (attribute, object) a class is, for those of which it is known: for messages.

    Raises:
        InputError: No class is left, or a name is unknown.
    """
    words = (*_KINDS, "open") if beyond else _KINDS
    if isinstance(candidates, str):
        if candidates == "open":
            if not beyond:
                raise InputError(
                    "this model has no open world",
                    remedy="ask for all; a recipe with compositions has one where its classifier answers from priors: "
                    "compositional, eszsl, nearest-prior, prototypes",
                )
            return np.arange(len(names) + len(beyond))
        kinds = {"all": np.ones_like(is_seen), "seen": is_seen, "unseen": ~is_seen}
        if candidates not in kinds:
            raise InputError(
                f"candidates={candidates!r} is not known",
                remedy=f"give {', '.join(map(repr, words))} or a list of classes",
            )
        chosen = np.flatnonzero(kinds[candidates])
        if not len(chosen):
            raise InputError(f"there is no {candidates} class", remedy="add one with add_class, or ask for 'all'")
        return chosen.astype(np.int64)
    wanted = list(candidates)
    if not wanted:
        raise InputError("the list of candidates is empty", remedy="name at least one class")
    row = {name: number for number, name in enumerate((*names, *beyond))}
    found: list[int] = []
    for name in wanted:
        number = int(name) if isinstance(name, int | np.integer) else row.get(str(name), -1)
        if not 0 <= number < len(row):
            raise InputError(
                f"the candidate {name!r} is no class of this model"
                + (", and no pair of its open world" if beyond else ""),
                remedy=_instead(str(name), names, beyond, words, pairs or {}),
            )
        found.append(number)
    if len(set(found)) != len(found):
        raise InputError("a candidate is named twice", remedy="name each class once")
    return np.array(found, dtype=np.int64)


def _instead(
    name: str, names: Sequence[str], beyond: Sequence[str], words: Sequence[str], pairs: Mapping[str, Sequence[str]]
) -> str:
    """What may be asked for in place of an unknown candidate."""
    own = class_of_pair(name, pairs)
    if own is not None:
        return f"this pair is the class {own!r}: give that name"
    close = nearest_of_many(name, (*words, *names, *beyond))
    if close:
        every = " 'open' takes every pair" if beyond and "open" not in close else ""
        return f"did you mean {' or '.join(map(repr, close))}?{every}"
    few = ", ".join(map(repr, names[:3]))
    *first, last = map(repr, words)
    return f"its classes are {few}{' ...' if len(names) > 3 else ''}; or give {', '.join(first)} or {last}"


def class_of_pair(name: str, pairs: Mapping[str, Sequence[str]]) -> str | None:
    """The class that is the pair called ``name``, as the open world would call it; None where none is."""
    return next((own for own, pair in pairs.items() if " ".join(pair) == name), None)


def nearest_of_many(name: str, known: Sequence[str]) -> list[str]:
    """The nearest names among ``known``; of very many, as an open world has, among those that share a word with it."""
    if len(known) > _SEARCHED:
        words = {word for word in name.lower().split() if len(word) > 2}
        known = [one for one in known if words & set(one.lower().split())][:_SEARCHED]
    return nearest(name, known)


def warn_of_twins(priors: ClassPriors, is_seen: npt.NDArray[np.bool_]) -> None:
    """Warn of an unseen class whose prior is that of another class: nothing can tell the two apart."""
    _, first, place = np.unique(priors.matrix, axis=0, return_index=True, return_inverse=True)
    twins = np.flatnonzero(first[place.reshape(-1)] != np.arange(len(priors)))
    pairs = [(int(first[place.reshape(-1)[twin]]), int(twin)) for twin in twins]
    pairs = [pair for pair in pairs if not is_seen[list(pair)].all()]
    if pairs:
        one, other = (priors.names[i] for i in pairs[0])
        more = f", and {len(pairs) - 1} more pairs do" if len(pairs) > 1 else ""
        warnings.warn(
            f"{one!r} and {other!r} have the same prior{more}: unseen classes with the prior of another cannot be told "
            "from it; give priors that differ",
            stacklevel=3,
        )
