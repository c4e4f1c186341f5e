"""Recognising attribute-object pairs, also those that never occurred together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kgzsl._options import check_device, check_numbers, check_seed, check_whole
from kgzsl.classifiers._candidates import label_rows, prior_matrix
from kgzsl.classifiers._episodes import episode
from kgzsl.classifiers._inputs import check_finite, float_matrix
from kgzsl.classifiers.base import Classifier
from kgzsl.classifiers.compositional.graph import Pair, feasible_pairs
from kgzsl.classifiers.compositional.mixing import mix_minorities
from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph

__all__ = ["CompositionalClassifier", "Experts"]

_Part = tuple[Tensor, Tensor, Tensor | None]
"""Inputs [B, D], pairs int64 [B], and weights [B]."""
_MAPS = ("x_attribute", "x_object", "x_pair", "s_attribute", "s_object", "s_left", "s_right")


class CompositionalClassifier(Classifier):
    """An attribute expert, an object expert and a pair expert, all reading their classes from priors of primitives.

    ``F(x, (a, o)) = <x A, s_a A'> + <x B, s_o B'> + <x C, s_a L * s_o R>``: the last term is what the pair is beyond
    its parts. Each expert is trained by cross-entropy, the sum of all three over the seen pairs too. Since classes
    enter by priors alone, unseen pairs (and primitives) are answered. Two mechanisms may be added:

    - ``epsilon``: primitives are perturbed against the loss, and the loss there counts too (primitive-based
      adversarial training, after PBadv), so that experts do not lean on the exact place of the primitives they know;
    - ``mixing``: rows are mixed with rare attributes of their object (:func:`mix_minorities`);
    - ``hold_out``: each step is a zero-shot problem among pairs that it holds out (episodic training): its rows are
      theirs alone, and told apart among them alone, so that no step weighs a pair against those it is trained beside.

    Args:
        dim: Width of the experts.
        epsilon: Length of the perturbation; priors have length 1. 0 leaves the baseline, exactly.
        adversarial: Weight of the loss at the perturbed primitives.
        mixing: Strength of the mixture, a of Beta(a, a); 0 leaves the baseline, exactly.
        hold_out: Share of the seen pairs that each step holds out; 0 leaves the baseline, exactly.
        lr: Learning rate of Adam.
        epochs: Passes over the data.
        batch_size: Rows of a step.
        weight_decay: Weight of the squared maps beside the loss.
        seed: Seed of the maps, the batches and the mixtures.
        device: Where it computes; None follows X.

    Attributes:
        classes_: The K pairs known (seen, or listed), str [K, 2].
        seen_: bool [K], which of them had samples.
        attributes_: Names of attributes, [A].
        objects_: Names of objects, [O].
        feasible_: bool [A, O], what an open world may answer.
        maps_: The experts' maps, by name.
    """

    classes_: np.ndarray
    seen_: np.ndarray
    maps_: dict[str, Tensor]

    def __init__(
        self,
        dim: int = 128,
        epsilon: float = 0.0,
        adversarial: float = 1.0,
        mixing: float = 0.0,
        hold_out: float = 0.0,
        lr: float = 3e-3,
        epochs: int = 40,
        batch_size: int = 256,
        weight_decay: float = 0.0,
        seed: int = 0,
        device: torch.device | str | None = None,
    ) -> None:
        self.dim = dim
        self.epsilon = epsilon
        self.adversarial = adversarial
        self.mixing = mixing
        self.hold_out = hold_out
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.seed = seed
        self.device = device

    def check_options(self) -> None:
        """See :meth:`Classifier.check_options`."""
        check_whole(self, "dim", "epochs", "batch_size")
        check_numbers(self, "lr", zero=False)
        check_numbers(self, "epsilon", "adversarial", "mixing", "weight_decay")
        check_numbers(self, "hold_out", below=1)
        check_seed(self.seed)
        check_device(self.device)

    def fit(
        self, X: Any, y: Any, priors: Any = None, *, pairs: Iterable[Pair] = (), graph: ClassGraph | None = None
    ) -> CompositionalClassifier:
        """Learn from X [N, D] and the pair of each row.

        Args:
            X: Features.
            y: Pairs (attribute, object), [N, 2] or a list of tuples.
            priors: ``ClassPriors`` of all attributes and objects.
            pairs: The unseen pairs of a closed world.
            graph: A graph whose disjointness says which pairs an open world leaves out; None allows all.

        Raises:
            InputError: A primitive without a prior (the nearest are named), labels that are no pairs, options out of
                range.
        """
        self.check_options()
        if priors is None:
            raise InputError("CompositionalClassifier needs priors", remedy="give priors of attributes and objects")
        features = float_matrix(X, "X", device=self.device)
        rows = _pairs(y)
        if len(rows) != len(features):
            raise InputError(f"y has {len(rows)} pairs for {len(features)} rows of X")
        known, row_pairs = np.unique(rows, axis=0, return_inverse=True)
        known_set = set(map(tuple, known.tolist()))
        extra = [pair for pair in dict.fromkeys(map(tuple, _pairs(pairs).tolist())) if pair not in known_set]
        self.classes_ = np.array([*known.tolist(), *extra], dtype=np.str_)
        self.seen_ = np.arange(len(self.classes_)) < len(known)
        self.attributes_, self.objects_ = (np.unique(self.classes_[:, side]) for side in (0, 1))
        self._take_priors(priors, features.device)
        self._settle(graph)
        row_places = torch.as_tensor(row_pairs.reshape(-1), device=features.device)
        return self.learn(features, row_places, *self._places(self.classes_[self.seen_]))

    def _take_priors(self, priors: Any, device: torch.device) -> None:
        names, matrix = prior_matrix(priors, device)
        matrix = functional.normalize(matrix, dim=1).float()
        self.attribute_priors_ = matrix[torch.as_tensor(label_rows(self.attributes_, names), device=device)]
        self.object_priors_ = matrix[torch.as_tensor(label_rows(self.objects_, names), device=device)]

    def _settle(self, graph: ClassGraph | None) -> None:
        self.feasible_ = np.ones((len(self.attributes_), len(self.objects_)), dtype=bool)
        if graph is not None:
            self.feasible_ = feasible_pairs(graph, self.attributes_.tolist(), self.objects_.tolist())

    def _places(self, pairs: np.ndarray) -> tuple[Tensor, Tensor]:
        """Rows of attributes and of objects, int64 [K] each, for pairs [K, 2]."""
        device = self.attribute_priors_.device
        left = torch.as_tensor(label_rows(pairs[:, 0], self.attributes_), device=device)
        return left, torch.as_tensor(label_rows(pairs[:, 1], self.objects_), device=device)

    @torch.enable_grad()
    def learn(self, features: Tensor, row_pairs: Tensor, left: Tensor, right: Tensor) -> CompositionalClassifier:
        """Train the maps for the primitives' vectors that are there; what :meth:`fit` does once all has its place.

        Args:
            features: [N, D].
            row_pairs: The pair of each row, int64 [N].
            left: The attribute of each of the K pairs, a row of ``attribute_priors_``, int64 [K].
            right: Its object, a row of ``object_priors_``, int64 [K].
        """
        self.n_features_in_ = features.shape[1]
        self.mean_ = features.mean(dim=0)
        self.scale_ = (features - self.mean_).square().mean().sqrt().clamp_min(1e-12)
        inputs = (features - self.mean_) / self.scale_
        seed = int(self.seed)
        generator = torch.Generator().manual_seed(seed)
        mixtures = torch.Generator().manual_seed(seed + 1)  # its own, so that the baseline draws the same batches
        episodes = torch.Generator(device=inputs.device).manual_seed(seed + 2)
        of_side = {"s_attribute": self.attribute_priors_, "s_left": self.attribute_priors_}
        of_side |= {"s_object": self.object_priors_, "s_right": self.object_priors_}
        widths = {name: of_side[name].shape[1] if name in of_side else self.n_features_in_ for name in _MAPS}
        maps = {
            name: (torch.randn(width, self.dim, generator=generator) / width**0.5)
            .to(inputs.device)
            .requires_grad_(True)
            for name, width in widths.items()
        }
        attributes, objects = left[row_pairs], right[row_pairs]
        optimiser = torch.optim.Adam(list(maps.values()), lr=self.lr, fused=True)
        experts = Experts(maps, left, right)
        for _ in range(self.epochs):
            order = torch.randperm(len(inputs), generator=generator).to(inputs.device)
            parts: list[_Part] = [(inputs, row_pairs, None)]
            if self.mixing:
                mixed, partners, share = mix_minorities(inputs, attributes, objects, self.mixing, mixtures)
                # The object is the same on both sides, so what differs is the attribute and the pair.
                parts += [(mixed, row_pairs, share), (mixed, row_pairs[partners], 1 - share)]
            for rows in torch.split(order, int(self.batch_size)):
                asked = experts
                if self.hold_out and len(left) > 1:
                    rows, among, _ = episode(row_pairs, len(left), self.hold_out, len(rows), episodes)
                    asked = Experts(maps, left[among], right[among])
                    batch = [_among(part, rows, among, len(left)) for part in parts]
                else:
                    batch = [(x[rows], truth[rows], None if w is None else w[rows]) for x, truth, w in parts]
                optimiser.zero_grad(set_to_none=True)
                loss = self._with_adversary(asked, batch)
                if self.weight_decay:
                    loss = loss + self.weight_decay * torch.stack([m.square().sum() for m in maps.values()]).sum()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
        self.maps_ = {name: value.detach() for name, value in maps.items()}
        check_finite(torch.stack([value.sum() for value in self.maps_.values()]), "CompositionalClassifier")
        return self

    def _with_adversary(self, experts: Experts, batch: Sequence[_Part]) -> Tensor:
        primitives = (self.attribute_priors_, self.object_priors_)
        if not self.epsilon or not self.adversarial:
            return experts.loss(batch, primitives)
        leaves = (primitives[0].clone().requires_grad_(True), primitives[1].clone().requires_grad_(True))
        loss = experts.loss(batch, leaves)
        slopes = torch.autograd.grad(loss, leaves, retain_graph=True)
        left, right = (
            table + self.epsilon * functional.normalize(slope, dim=1)
            for table, slope in zip(primitives, slopes, strict=True)
        )
        return loss + self.adversarial * experts.loss(batch, (left, right))

    def pairs(self, candidates: str | Sequence[Pair] = "all") -> np.ndarray:
        """The pairs behind a word: str [K, 2].

        Args:
            candidates: ``"all"``: the closed world, all pairs known; ``"open"``: every feasible pair of an attribute
                and an object; ``"seen"``, ``"unseen"``: parts of the closed world; or a list of pairs.

        Raises:
            InputError: Another word, no pair, or a pair of unknown primitives.
        """
        self._check_fitted("maps_")
        if not isinstance(candidates, str):
            chosen = _pairs(candidates)
            if not len(chosen):
                raise InputError("there is no candidate pair to answer with", remedy="check the candidates")
            self._places(chosen)
            return chosen
        if candidates == "open":
            left, right = np.nonzero(self.feasible_)
            return np.stack([self.attributes_[left], self.objects_[right]], axis=1)
        masks = {"all": np.ones_like(self.seen_), "seen": self.seen_, "unseen": ~self.seen_}
        if candidates not in masks:
            raise InputError(
                f"candidates is {candidates!r}", remedy="choose all, open, seen, unseen, or give a list of pairs"
            )
        if not masks[candidates].any():
            raise InputError("there is no candidate pair to answer with", remedy="list unseen pairs, or choose open")
        listed: np.ndarray = self.classes_[masks[candidates]]
        return listed

    def decision_function(self, X: Any, candidates: str | Sequence[Pair] = "all") -> Tensor:
        """Scores float32 [N, K] of the pairs that :meth:`pairs` lists for ``candidates``."""
        left, right = self._places(self.pairs(candidates))
        features = float_matrix(X, "X", columns=self.n_features_in_, device=self.mean_.device)
        inputs = (features - self.mean_) / self.scale_
        primitives = (self.attribute_priors_, self.object_priors_)
        attributes, objects, pairs = Experts(self.maps_, left, right).scores(inputs, primitives)
        return attributes[:, left] + objects[:, right] + pairs

    def predict(self, X: Any, candidates: str | Sequence[Pair] = "all") -> np.ndarray:
        """The best pair of each row, str [N, 2]."""
        chosen: np.ndarray = self.pairs(candidates)[self.decision_function(X, candidates).argmax(dim=1).cpu().numpy()]
        return chosen

    def score(self, X: Any, y: Any, candidates: str | Sequence[Pair] = "all") -> float:
        """Share of rows whose pair is answered right, attribute and object both, in [0, 1]; ``y`` as in :meth:`fit`."""
        truth, found = _pairs(y), self.predict(X, candidates)
        if len(truth) != len(found):
            raise InputError(f"y has {len(truth)} pairs for {len(found)} rows of X")
        return float((found == truth).all(axis=1).mean())

    def add_class(self, pair: Pair, priors: Any = None) -> CompositionalClassifier:
        """Make one more pair of the closed world answerable; nothing is trained.

        Args:
            pair: (attribute, object).
            priors: Priors that have those of its primitives that are new.

        Raises:
            InputError: The pair is there already, or a primitive is new and has no prior.
        """
        self._check_fitted("maps_")
        row = _pairs([pair])
        if (self.classes_ == row).all(axis=1).any():
            raise InputError(f"the pair {tuple(row[0].tolist())} is there already")
        for side, names, table in ((0, "attributes_", "attribute_priors_"), (1, "objects_", "object_priors_")):
            name = row[0, side]
            if name in getattr(self, names):
                continue
            if priors is None:
                label_rows([name], getattr(self, names))
            given, matrix = prior_matrix(priors, self.mean_.device)
            new = functional.normalize(matrix[label_rows([name], given)], dim=1).float()
            setattr(self, names, np.append(getattr(self, names), name))
            setattr(self, table, torch.cat([getattr(self, table), new]))
            self.feasible_ = np.insert(self.feasible_, self.feasible_.shape[side], True, axis=side)
        self.classes_ = np.concatenate([self.classes_, row])
        self.seen_ = np.append(self.seen_, False)
        return self

    def state_dict(self) -> dict[str, Any]:
        """What was learnt, as tensors and plain values."""
        self._check_fitted("maps_")
        tensors = {name: getattr(self, f"{name}_") for name in ("mean", "scale", "attribute_priors", "object_priors")}
        lists = {name: getattr(self, f"{name}_").tolist() for name in ("classes", "seen", "attributes", "objects")}
        return {**tensors, **lists, "feasible": self.feasible_.tolist(), "maps": self.maps_}

    def load_state_dict(self, state: dict[str, Any]) -> CompositionalClassifier:
        """Take over what :meth:`state_dict` gave."""
        device = self.device or state["mean"].device
        for name in ("mean", "scale", "attribute_priors", "object_priors"):
            setattr(self, f"{name}_", state[name].to(device))
        for name in ("classes", "seen", "attributes", "objects", "feasible"):
            setattr(self, f"{name}_", np.array(state[name]))
        self.maps_ = {name: value.to(device) for name, value in state["maps"].items()}
        self.n_features_in_ = len(self.mean_)
        return self


class Experts:
    """The three experts over K pairs, of which ``left`` and ``right`` (int64 [K]) are the primitives."""

    def __init__(self, maps: Mapping[str, Tensor], left: Tensor, right: Tensor) -> None:
        self.maps = maps
        self.left = left
        self.right = right

    def scores(self, inputs: Tensor, primitives: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Scores [B, A] of attributes, [B, O] of objects, and [B, K] of pairs beyond their parts."""
        maps, (attributes, objects) = self.maps, primitives
        scale = maps["x_pair"].shape[1] ** 0.5
        together = (attributes @ maps["s_left"])[self.left] * (objects @ maps["s_right"])[self.right]
        return (
            inputs @ maps["x_attribute"] @ (attributes @ maps["s_attribute"]).T / scale,
            inputs @ maps["x_object"] @ (objects @ maps["s_object"]).T / scale,
            inputs @ maps["x_pair"] @ together.T / scale,
        )

    def loss(self, batch: Sequence[_Part], primitives: tuple[Tensor, Tensor]) -> Tensor:
        """Cross-entropies of the attribute, the object and the pair, summed; mean over rows, sum over parts."""
        total = []
        for inputs, truth, weights in batch:
            attributes, objects, pairs = self.scores(inputs, primitives)
            together = attributes[:, self.left] + objects[:, self.right] + pairs
            losses = (
                functional.cross_entropy(attributes, self.left[truth], reduction="none")
                + functional.cross_entropy(objects, self.right[truth], reduction="none")
                + functional.cross_entropy(together, truth, reduction="none")
            )
            total.append((losses if weights is None else weights * losses).mean())
        return torch.stack(total).sum()


def _among(part: _Part, rows: Tensor, among: Tensor, pairs: int) -> _Part:
    """``rows`` of a part, pairs numbered by their place in ``among``; what is of another pair weighs nothing."""
    inputs, truth, weights = part
    place = torch.full((pairs,), -1, dtype=torch.int64, device=among.device)
    place[among] = torch.arange(len(among), device=among.device)
    places = place[truth[rows]]
    shares = None if weights is None else weights[rows] * (places >= 0)
    return inputs[rows], places.clamp_min(0), shares


def _pairs(values: Any) -> np.ndarray:
    """Pairs as str [N, 2]; a word alone is none, though it could be taken apart into two letters."""
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise InputError(f"{values!r} is no list of pairs", remedy="give (attribute, object) for each row")
    rows = list(values.to_numpy() if hasattr(values, "to_numpy") else values)
    for place, pair in enumerate(rows):
        if isinstance(pair, str) or not hasattr(pair, "__len__") or len(pair) != 2:
            raise InputError(f"{pair!r} is no pair", place=f"row {place}", remedy="give (attribute, object)")
    return np.array([tuple(pair) for pair in rows], dtype=np.str_).reshape(-1, 2)
