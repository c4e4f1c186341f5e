"""A fitted ZeroShotClassifier on disk: safetensors and JSON, all or nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kgzsl import generators
from kgzsl._files import atomic_directory
from kgzsl.engine import Engine, load_tree, save_tree
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassPriors
from kgzsl.tasks.image_classification._experts import gate_from, gate_to_plain
from kgzsl.tasks.image_classification._unlabelled import Unlabelled

if TYPE_CHECKING:
    from kgzsl.tasks.image_classification._heads import Head
    from kgzsl.tasks.image_classification.zero_shot_classifier import ZeroShotClassifier

__all__ = ["load_model", "save_model"]

FORMAT = "kgzsl.zero_shot_classifier/1"
_TENSORS, _ABOUT, _PRIORS = "model.safetensors", "model.json", "priors.safetensors"


def save_model(model: ZeroShotClassifier, folder: Path) -> Path:
    """Write ``model`` into ``folder``; returns it."""
    generator = model.generator_
    about = {
        "format": FORMAT,
        "options": _plain(_kept_options(model)),
        "seen": model.seen_,
        "unseen": model.unseen_,
        "integers": model._integers,
        "scale": model._scale,
        "dim": model.n_features_in_,
        "generator": None if generator is None else _plain(generator.config()),
        "gate": None if model.gate_ is None else gate_to_plain(model.gate_),
        "backbone": model.backbone_,
        "open": None if model.open_ is None else {"names": list(model.open_.names), "made": model.open_.made},
        "setting": "transductive" if model.transductive else "inductive",
        "prior_unit": None if model._prior_head is None else model._prior_head.unit,
    }
    tree: dict[str, Any] = {
        "features": model._features,
        "labels": torch.from_numpy(model._labels),
        "is_seen": torch.from_numpy(model._is_seen.astype(np.uint8)),
        "generator": None if generator is None else generator.state_dict(),
        "zsl": _head_state(model._zsl_head),
        "gzsl": None if model._gzsl_head is model._zsl_head else _head_state(model._gzsl_head),
        "prior": None if model._prior_head is None else _head_state(model._prior_head.head),
        "unlabelled": None if model._unlabelled is None else model._unlabelled.state_dict(),
        "distances": model._distances,
        "open": None if model.open_ is None else model.open_.to_tensor(),
        "weights": None if model._weights is None else torch.from_numpy(model._weights),
    }
    with atomic_directory(folder) as temporary:
        save_tree(temporary / _TENSORS, tree)
        model.priors_.save(temporary / _PRIORS)
        (temporary / _ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder


def load_model(cls: type[ZeroShotClassifier], folder: Path, device: str) -> ZeroShotClassifier:
    """Read what :func:`save_model` wrote, onto ``device``."""
    try:
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"there is no model here ({_ABOUT} is missing)", file=folder, remedy="give a folder written by save"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"the model's description is damaged ({error})", file=folder / _ABOUT) from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise InputError("this is no model of this version of kgzsl", file=folder / _ABOUT, remedy="train it again")
    where = Engine(device=device, progress=False).torch_device
    tree = load_tree(folder / _TENSORS, device=where)
    try:
        model = cls(**{**about["options"], "device": device})
        model._integers = bool(about["integers"])
        model.priors_ = ClassPriors.load(folder / _PRIORS)
        model._set_classes(tree["is_seen"].cpu().numpy().astype(bool))
        model._where = where
        model._features = tree["features"]
        model._scale = float(about["scale"])
        model._labels = tree["labels"].cpu().numpy()
        weights = tree.get("weights")
        model._weights = None if weights is None else weights.cpu().numpy()
        distances = tree.get("distances")
        model._distances = None if distances is None else distances.cpu()
        model._synthetic = {}
        if about.get("open") is not None:
            beyond = about["open"]
            model.open_ = ClassPriors(tuple(beyond["names"]), tree["open"].cpu().numpy(), beyond["made"])
        model._unlabelled = None if tree.get("unlabelled") is None else Unlabelled(**tree["unlabelled"])
        model.backbone_ = about.get("backbone")
        model.generator_ = None
        if model.generator is not None:
            kind = generators.generators.find(model.generator)
            model.generator_ = kind.from_config(about["generator"]).load_state_dict(tree["generator"])
        model._zsl_head = _head(model, tree["zsl"])
        model._gzsl_head = model._zsl_head if tree["gzsl"] is None else _head(model, tree["gzsl"])
        model.gate_ = None if about.get("gate") is None else gate_from(about["gate"])
        model._prior_head = None
        if tree.get("prior") is not None:
            model._prior_head = model._new_prior_head()
            _put_back(model._prior_head.head, tree["prior"])
            model._prior_head.unit = float(about["prior_unit"])
        if any(head is not None and head.get("state") is None for head in (tree["zsl"], tree["gzsl"])):
            model.fit_heads()  # of a library that keeps no state but by pickling
    except (KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise InputError(f"the model is damaged ({error})", file=folder, remedy="train it again") from error
    return model


def _kept_options(model: ZeroShotClassifier) -> dict[str, Any]:
    """All but priors and class graph: the first have a file of their own, the other is not needed to answer."""
    kept = {name: value for name, value in model.get_params().items() if name != "priors"}
    for section in ("generator_options", "classifier_options", "relevance"):
        if kept[section] is not None:
            kept[section] = {name: value for name, value in kept[section].items() if name != "graph"}
    return kept


def _head_state(head: Head | None) -> dict[str, Any] | None:
    return None if head is None else {"names": list(head.names), "state": head.state_dict()}


def _head(model: ZeroShotClassifier, kept: dict[str, Any] | None) -> Head | None:
    if kept is None:
        return None
    return _put_back(model._head(), kept)


def _put_back(head: Head, kept: dict[str, Any]) -> Head:
    head.names = tuple(kept["names"])
    if kept.get("state") is not None:
        head.classifier.load_state_dict(kept["state"])
    return head


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    try:
        return dict(json.loads(json.dumps(values)))
    except TypeError as error:
        raise InputError(
            f"an option of the model cannot be written as JSON ({error})", remedy="use plain values for options"
        ) from None
