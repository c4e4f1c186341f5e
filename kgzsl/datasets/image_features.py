"""Image features with class names and the splits of zero-shot classification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from kgzsl.datasets._checks import check_image_features
from kgzsl.errors import InputError, nearest

if TYPE_CHECKING:
    from kgzsl.knowledge.class_priors import ClassPriors

__all__ = ["ImageFeatures"]

_INDICES = ("labels", "seen", "unseen", "trainval_loc", "test_seen_loc", "test_unseen_loc", "train_loc", "val_loc")


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """Feature vectors of labelled images, split into seen and unseen classes.

    The split follows Xian et al., "Zero-Shot Learning - A Comprehensive Evaluation of the Good, the Bad and the Ugly"
    (TPAMI 2019): ``trainval_loc`` and ``test_seen_loc`` are rows of seen classes, ``test_unseen_loc`` of unseen ones.

    Args:
        features: float32 [N, D], finite.
        labels: int64 [N], row of ``class_names``.
        class_names: C names, all different.
        seen: int64, sorted classes that have training rows.
        unseen: int64, sorted classes that have none. ``seen`` and ``unseen`` together are all C classes.
        trainval_loc: int64, rows for training, of seen classes only.
        test_seen_loc: int64, test rows of seen classes.
        test_unseen_loc: int64, test rows of unseen classes.
        train_loc: int64 or None: with ``val_loc``, the published split of the *seen classes* for model selection. As
            published, the two cover rows of ``test_seen_loc`` as well; ``validation_split`` leaves those out.
        val_loc: int64 or None.
        priors: Side information that ships with the data: name (``"att"``) to priors over ``class_names``.
        name: What the data set is called.
        notes: What a reader wants to know: what was guessed, repaired or left out.
        graph_source: Path of the ontology that belongs to the data, if one does.
        class_info: More names of the classes: ``{"wnid": (...)}``, ``{"superclass": (...)}``, each C long.
        source: The file or folder it came from, for messages.
        backbone: What made the features of images, by the name that :func:`kgzsl.datasets.backbones.find_backbone`
            takes; None where it is not known. With it, new images can be answered, not features alone.

    Raises:
        InputError: Something in it contradicts the above; the file, the array and the row are named.
    """

    features: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    seen: Tensor
    unseen: Tensor
    trainval_loc: Tensor
    test_seen_loc: Tensor
    test_unseen_loc: Tensor
    train_loc: Tensor | None = None
    val_loc: Tensor | None = None
    priors: Mapping[str, ClassPriors] = field(default_factory=dict)
    name: str = "features"
    notes: tuple[str, ...] = ()
    graph_source: str | None = None
    class_info: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source: str | None = None
    backbone: str | None = None

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        set_field(self, "class_names", tuple(str(name) for name in self.class_names))
        set_field(self, "notes", tuple(self.notes))
        set_field(self, "features", torch.as_tensor(self.features).to(torch.float32))
        for name in _INDICES:
            value = getattr(self, name)
            if value is not None:
                set_field(self, name, torch.as_tensor(value).to(torch.int64))
        set_field(self, "seen", self.seen.sort().values)
        set_field(self, "unseen", self.unseen.sort().values)
        check_image_features(self)

    @classmethod
    def from_xlsa17(cls, folder: str | PathLike[str], **options: Any) -> ImageFeatures:
        """Read ``res101.mat`` and ``att_splits.mat``; see :func:`kgzsl.datasets.xlsa17.read_xlsa17`."""
        from kgzsl.datasets.xlsa17 import read_xlsa17

        return read_xlsa17(folder, **options)

    @classmethod
    def from_imnet(cls, folder: str | PathLike[str], **options: Any) -> ImageFeatures:
        """Read OntoZSL's layout of ImNet-A and ImNet-O; see :func:`kgzsl.datasets.imnet.read_imnet`."""
        from kgzsl.datasets.imnet import read_imnet

        return read_imnet(folder, **options)

    @classmethod
    def from_npz(cls, path: str | PathLike[str], **options: Any) -> ImageFeatures:
        """Read one ``.npz`` with 0-based indices; see :func:`kgzsl.datasets.npz.read_npz`."""
        from kgzsl.datasets.npz import read_npz

        return read_npz(path, **options)

    @classmethod
    def from_packed(cls, folder: str | PathLike[str], **options: Any) -> ImageFeatures:
        """Read a folder that :meth:`save` wrote; see :func:`kgzsl.datasets.packed.read_packed`."""
        from kgzsl.datasets.packed import read_packed

        return read_packed(folder, **options)

    @classmethod
    def from_arrays(cls, features: Any, labels: Any, **options: Any) -> ImageFeatures:
        """From arrays in memory; see :func:`kgzsl.datasets.arrays.image_features_from_arrays`."""
        from kgzsl.datasets.arrays import image_features_from_arrays

        return image_features_from_arrays(features, labels, **options)

    @classmethod
    def from_folder(cls, images: str | PathLike[str], **options: Any) -> ImageFeatures:
        """Features of images by a backbone; see :func:`kgzsl.datasets.image_folder.read_image_folder`."""
        from kgzsl.datasets.image_folder import read_image_folder

        return read_image_folder(images, **options)

    def save(self, folder: str | PathLike[str], **options: Any) -> None:
        """Write a packed data set; see :func:`kgzsl.datasets.packed.save_packed`."""
        from kgzsl.datasets.packed import save_packed

        save_packed(self, folder, **options)

    @property
    def num_classes(self) -> int:
        """How many classes, seen and unseen."""
        return len(self.class_names)

    @property
    def dim(self) -> int:
        """Length of a feature vector."""
        return int(self.features.shape[1])

    @property
    def device(self) -> torch.device:
        """Where the features live."""
        return self.features.device

    @property
    def seen_names(self) -> list[str]:
        """Names of the seen classes, in class order."""
        return [self.class_names[i] for i in self.seen.tolist()]

    @property
    def unseen_names(self) -> list[str]:
        """Names of the unseen classes, in class order."""
        return [self.class_names[i] for i in self.unseen.tolist()]

    @property
    def train(self) -> tuple[Tensor, np.ndarray[Any, np.dtype[np.str_]]]:
        """Features [T, D] of the training rows and the class name [T] of each, ready for ``fit``."""
        features, labels = self.rows(self.trainval_loc)
        return features, self.name_of(labels)

    def rows(self, loc: Tensor) -> tuple[Tensor, Tensor]:
        """Features [R, D] and labels [R] of the rows ``loc``, as copies."""
        loc = loc.to(self.device)
        return self.features[loc], self.labels[loc]

    def name_of(self, labels: Tensor | Sequence[int] | int) -> Any:
        """The class names of labels: an array of str for several, one str for one."""
        index = np.asarray(torch.as_tensor(labels).cpu())
        names = np.asarray(self.class_names, dtype=np.str_)[index]
        return str(names) if index.ndim == 0 else names

    def class_index(self, names: Sequence[str]) -> Tensor:
        """int64 labels of class names.

        Raises:
            InputError: A name is no class of this data set; the nearest ones are given.
        """
        known = {name: i for i, name in enumerate(self.class_names)}
        missing = [name for name in names if name not in known]
        if missing:
            close = nearest(missing[0], known)
            raise InputError(
                f"{len(missing)} of {len(names)} names are no class of {self.name!r}, the first is {missing[0]!r}",
                file=self.source,
                remedy=f"did you mean {' or '.join(map(repr, close))}?" if close else "see class_names",
            )
        return torch.tensor([known[name] for name in names], dtype=torch.int64, device=self.device)

    def to(self, device: torch.device | str) -> ImageFeatures:
        """The same data with every tensor on ``device``."""
        moved: dict[str, Any] = {"features": self.features.to(device)}
        for name in _INDICES:
            value = getattr(self, name)
            moved[name] = None if value is None else value.to(device)
        return replace(self, **moved)

    def with_priors(self, **priors: ClassPriors) -> ImageFeatures:
        """The same data with more priors, aligned to ``class_names``."""
        aligned = {key: value.align(self.class_names) for key, value in priors.items()}
        return replace(self, priors={**self.priors, **aligned})

    def subset(self, classes: Sequence[str]) -> ImageFeatures:
        """Only these classes (in this order), with their rows, splits and priors.

        Raises:
            InputError: A name is unknown or given twice.
        """
        kept = self.class_index(classes)
        if len(set(classes)) != len(classes):
            raise InputError("a class is named twice in the subset", file=self.source, remedy="name each class once")
        label_map = torch.full((self.num_classes,), -1, dtype=torch.int64, device=self.device)
        label_map[kept] = torch.arange(len(classes), device=self.device)
        rows = torch.nonzero(label_map[self.labels] >= 0).flatten()
        return self._restricted(rows, label_map, tuple(classes))

    def validation_split(
        self,
        seed: int = 0,
        fraction: float = 0.2,
        *,
        shipped: bool = True,
        part: tuple[int, int] | None = None,
    ) -> ImageFeatures:
        """A smaller zero-shot problem made of training rows alone, for model selection.

        Some *seen* classes play the unseen ones, and a ``fraction`` of the training rows of every other seen class
        plays ``test_seen_loc``. The result holds copies of training rows of seen classes and nothing else: neither a
        test row nor an unseen class can be reached through it.

        Args:
            seed: Decides the classes (where no split is shipped) and the held-out rows.
            fraction: Share of seen classes to hold out, and share of the remaining classes' rows; at least one of each.
            shipped: Use the class split of ``train_loc``/``val_loc`` where the data has one.
            part: ``(i, k)`` holds out the i-th of k disjoint parts of the seen classes instead, i from 0; ``seed`` cuts
                them.

        Returns:
            An ``ImageFeatures`` over the seen classes; ``notes`` say how the classes were chosen.

        Raises:
            InputError: ``fraction`` is outside (0, 1), there are fewer than three seen classes, or no such part.
        """
        if not 0.0 < fraction < 1.0:
            raise InputError(f"fraction must lie between 0 and 1, not {fraction}", remedy="try 0.2")
        if len(self.seen) < 3:
            raise InputError(
                f"only {len(self.seen)} seen classes: too few to hold some out for validation",
                file=self.source,
                remedy="give at least three classes with training rows",
            )
        random = np.random.default_rng(seed)
        seen = self.seen.cpu().numpy()
        if part is not None:
            place, parts = part
            if not (2 <= parts <= len(seen) // 2 and 0 <= place < parts):
                raise InputError(
                    f"there is no part {place} of {parts} of {len(seen)} seen classes",
                    file=self.source,
                    remedy=f"cut them into 2 to {max(2, len(seen) // 2)} parts",
                )
            held_out = np.sort(np.array_split(np.random.default_rng(seed).permutation(seen), parts)[place])
            how = f"part {place + 1} of {parts} of the seen classes ({len(held_out)}), cut with seed {seed}"
        elif shipped and self.val_loc is not None:
            held_out = np.unique(self.labels[self.val_loc].cpu().numpy())
            how = f"the {len(held_out)} validation classes that ship with {self.name}"
        else:
            count = min(max(1, round(fraction * len(seen))), len(seen) - 2)
            held_out = np.sort(random.choice(seen, size=count, replace=False))
            how = f"{count} of {len(seen)} seen classes, drawn with seed {seed}"
        rows = self.trainval_loc.sort().values
        labels = self.labels[rows].cpu().numpy()
        is_held_out_class = np.isin(labels, held_out)
        is_test_row = np.zeros(len(labels), dtype=bool)
        for label in np.setdiff1d(seen, held_out):
            of_class = np.flatnonzero(labels == label)
            count = min(max(1, round(fraction * len(of_class))), len(of_class) - 1)
            is_test_row[random.choice(of_class, size=count, replace=False)] = True
        label_map = torch.full((self.num_classes,), -1, dtype=torch.int64, device=self.device)
        label_map[self.seen] = torch.arange(len(seen), device=self.device)
        names = tuple(self.seen_names)
        is_unseen = np.isin(seen, held_out)
        return ImageFeatures(
            features=self.features[rows],
            labels=label_map[self.labels[rows]],
            class_names=names,
            seen=torch.from_numpy(np.flatnonzero(~is_unseen)).to(self.device),
            unseen=torch.from_numpy(np.flatnonzero(is_unseen)).to(self.device),
            trainval_loc=torch.from_numpy(np.flatnonzero(~is_held_out_class & ~is_test_row)).to(self.device),
            test_seen_loc=torch.from_numpy(np.flatnonzero(is_test_row)).to(self.device),
            test_unseen_loc=torch.from_numpy(np.flatnonzero(is_held_out_class)).to(self.device),
            priors={key: value.align(names) for key, value in self.priors.items()},
            name=f"{self.name} (validation)",
            notes=(f"validation: held out as unseen are {how}",),
            graph_source=self.graph_source,
            class_info={key: tuple(value[i] for i in seen) for key, value in self.class_info.items()},
            source=self.source,
        )

    def _restricted(self, rows: Tensor, label_map: Tensor, names: tuple[str, ...]) -> ImageFeatures:
        row_map = torch.full((len(self.labels),), -1, dtype=torch.int64, device=self.device)
        row_map[rows] = torch.arange(len(rows), device=self.device)

        def kept(loc: Tensor, mapping: Tensor) -> Tensor:
            mapped = mapping[loc]
            return mapped[mapped >= 0]

        train_loc = None if self.train_loc is None else kept(self.train_loc, row_map)
        val_loc = None if self.val_loc is None else kept(self.val_loc, row_map)
        both = train_loc is not None and val_loc is not None and len(train_loc) > 0 and len(val_loc) > 0
        old = [self.class_names.index(name) for name in names]
        return replace(
            self,
            features=self.features[rows],
            labels=label_map[self.labels[rows]],
            class_names=names,
            seen=kept(self.seen, label_map),
            unseen=kept(self.unseen, label_map),
            trainval_loc=kept(self.trainval_loc, row_map),
            test_seen_loc=kept(self.test_seen_loc, row_map),
            test_unseen_loc=kept(self.test_unseen_loc, row_map),
            train_loc=train_loc if both else None,
            val_loc=val_loc if both else None,
            priors={key: value.align(names) for key, value in self.priors.items()},
            class_info={key: tuple(value[i] for i in old) for key, value in self.class_info.items()},
        )

    def __repr__(self) -> str:
        priors = ", ".join(self.priors) or "none"
        return (
            f"ImageFeatures({self.name!r}, {tuple(self.features.shape)} features, {len(self.seen)} seen + "
            f"{len(self.unseen)} unseen classes, rows: {len(self.trainval_loc)} train, "
            f"{len(self.test_seen_loc)} test seen, {len(self.test_unseen_loc)} test unseen, priors: {priors})"
        )
