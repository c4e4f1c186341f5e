"""A fitted RelationCompleter on disk: safetensors and JSON, all or nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from kgzsl import generators
from kgzsl.engine import Engine, load_tree
from kgzsl.errors import InputError
from kgzsl.generators.base import FeatureGenerator
from kgzsl.knowledge import ClassPriors
from kgzsl.tasks.kg_completion._model_folder import ABOUT, PRIORS, TENSORS, read_description, write_model
from kgzsl.tasks.kg_completion.evidence.calibration import Calibration
from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds
from kgzsl.tasks.kg_completion.pair_features import PairFeatures

if TYPE_CHECKING:
    from kgzsl.tasks.kg_completion.relation_completer import RelationCompleter

__all__ = ["load_model", "save_model"]

FORMAT = "kgzsl.relation_completer/1"


def save_model(model: RelationCompleter, folder: Path) -> Path:
    """Write ``model`` into ``folder``; returns it.

    Raises:
        InputError: It is not fitted, an option cannot be written as JSON, or the folder cannot be written.
    """
    if not hasattr(model, "features_"):
        raise InputError("the model is not fitted yet", remedy="call fit(kg, priors) first")
    generator = model.generator_
    options = model.get_params()
    if isinstance(model.generator, FeatureGenerator):
        name = next((key for key, cls in generators.generators.classes.items() if cls is type(model.generator)), None)
        kind = type(model.generator)
        options |= {"generator": name or f"{kind.__module__}:{kind.__qualname__}", "generator_options": None}
    about = {
        "format": FORMAT,
        "options": _plain(options),
        "generator": None if generator is None else _plain(generator.config()),
        "pairs": _plain(model.features_.config()),
        "entities": list(model.entities_),
        "relations": list(model.relations_),
        "seen": model.seen_,
        "chosen": _plain(model.chosen_),
        "kinds": list(model.kinds_.names),
        "calibration": None if model.calibration_ is None else model.calibration_.to_dict(),
    }
    tree: dict[str, Any] = {
        "features": model.features_.state_dict(),
        "generator": None if generator is None else generator.state_dict(),
        "means": None if generator is not None else model._means,
        "propagated": None if model._propagated is None else list(model._propagated),
        "distances": model._distances,
        "seen": model._seen,
        "known": model._known,
        "kinds": model.kinds_.state(),
    }
    return write_model(folder, about, tree, model.priors_)


def load_model(cls: type[RelationCompleter], folder: Path, device: str) -> RelationCompleter:
    """Read what :func:`save_model` wrote, onto ``device``."""
    about = read_description(folder / ABOUT, FORMAT, "completion")
    where = Engine(device=device, progress=False).torch_device
    tree = load_tree(folder / TENSORS, device=where)
    try:
        model = cls(**{**about["options"], "device": device})
        model.entities_, model.relations_ = tuple(about["entities"]), tuple(about["relations"])
        model.seen_, model.chosen_ = list(about["seen"]), dict(about["chosen"])
        model.priors_ = ClassPriors.load(folder / PRIORS)
        model._prior_rows = model.priors_.to_tensor()
        model._seen, model._known = tree["seen"].cpu(), tree["known"].cpu()
        model.kinds_ = EntityKinds.of_folder(about, tree, model.entities_, model.relations_)
        told = about.get("calibration")
        model.calibration_ = None if told is None else Calibration.from_dict(told)
        distances = tree.get("distances")
        model._distances = None if distances is None else distances.cpu()
        model._drawn = {}
        model.features_ = PairFeatures(**about["pairs"]).load_state_dict(tree["features"])
        model.memory_budget_ = model.features_.memory_budget
        model.generator_ = None
        if tree["means"] is not None:
            model._means = tree["means"]
        propagated = tree.get("propagated")
        model._propagated = None if propagated is None else (propagated[0].cpu(), propagated[1].cpu())
        if about["generator"] is not None:
            kind = generators.generators.find(str(model.generator))
            model.generator_ = kind.from_config(about["generator"]).load_state_dict(tree["generator"])
    except (KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise InputError(f"the model is damaged ({error})", file=folder, remedy="train it again") from error
    if not isinstance(model._known, torch.Tensor):
        raise InputError("the model is damaged", file=folder, remedy="train it again")
    return model


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    try:
        return dict(json.loads(json.dumps(values)))
    except TypeError as error:
        raise InputError(
            f"an option of the model cannot be written as JSON ({error})", remedy="use plain values for options"
        ) from None
