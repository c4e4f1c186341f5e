"""The estimator of ordinary completion: triple embeddings, and the rules of a schema over their scores."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Self

import torch
from torch import Tensor

from kgzsl._options import check_budget, check_whole
from kgzsl.datasets import KGSplit
from kgzsl.engine import Engine, History, load_tree
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.priors.triples import TripleEncoder, TripleLoop, TripleModel
from kgzsl.tasks.kg_completion._model_folder import ABOUT, TENSORS, read_description, write_model
from kgzsl.tasks.kg_completion._ranks import rank_of_names
from kgzsl.tasks.kg_completion.best_state import BestState
from kgzsl.tasks.kg_completion.evaluation import Scorer
from kgzsl.tasks.kg_completion.evidence.calibration import Calibration
from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds, Types
from kgzsl.tasks.kg_completion.proposing import ProposingCompleter
from kgzsl.tasks.kg_completion.schema_rules import SchemaRules

__all__ = ["FORMAT", "EmbeddingCompleter"]

FORMAT = "kgzsl.embedding_completer/1"
_PASSED = (
    "dim", "epochs", "batch_size", "negatives", "loss", "margin", "temperature", "lr", "n3", "inverse", "constrained",
)  # fmt: skip


class EmbeddingCompleter(ProposingCompleter):
    """Scores the triples of relations that it was trained on, by vectors of entities and relations.

    The models and their training are those of ``kgzsl.priors``: TransE, DistMult, ComplEx, RotatE, BoxE, TripleRE.
    An answer that facts and the schema entail stands above all others, one that contradicts them below
    (:class:`SchemaRules`).

    Args:
        model: Name of a triple encoder: ``transe``, ``distmult``, ``complex``, ``rotate``, ``boxe``, ``triplere``.
        dim: Numbers per entity.
        epochs: Passes over the training triples.
        batch_size: Triples per step.
        negatives: Entities per step that stand in as heads and tails; 0 takes all; None is the model's own number.
        loss: ``"self-adversarial"`` or ``"softmax"``; None is the model's own.
        margin: Of the self-adversarial loss; None is the model's own.
        temperature: Sharpness of the self-adversarial weights.
        lr: Adam's learning rate at the start; None is the model's own.
        n3: Weight of the N3 penalty; None is the model's own.
        inverse: Whether heads are asked for by a second vector of each relation.
        constrained: Whether negatives must fit what training shows of a relation's ends.
        looks: How often a validation is asked during training; the best state is kept.
        use_rules: Whether the schema's rules are put over the scores.
        seed: Of vectors, batches and negatives.
        memory_budget: Bytes that scoring may take at a time.

    Attributes:
        model_: The trained :class:`kgzsl.priors.triples.TripleModel`.
        rules_: The schema's rules beside the training triples.
        chosen_: What was chosen on validation triples: ``epochs`` and the figure that they gave.
        history_: Losses of the training.
        kinds_: Of the entities, with domains and ranges of relations.
        calibration_: From scores to probabilities, for relations with training triples; None after :meth:`fit`.
            :func:`kgzsl.tasks.kg_completion.held_out_calibration.calibration_of_facts` fits one on facts that were no
            part of training, as a run does on validation triples.
    """

    priors_ = None
    calibration_: Calibration | None = None
    TAKES_NAMES = False

    def __init__(
        self,
        *,
        model: str = "complex",
        dim: int = 128,
        epochs: int = 40,
        batch_size: int = 512,
        negatives: int | None = None,
        loss: Literal["self-adversarial", "softmax"] | None = None,
        margin: float | None = None,
        temperature: float = 1.0,
        lr: float | None = None,
        n3: float | None = None,
        inverse: bool = False,
        constrained: bool = False,
        looks: int = 8,
        use_rules: bool = True,
        seed: int = 0,
        memory_budget: int = 256 * 2**20,
    ) -> None:
        self.model, self.dim, self.epochs, self.batch_size = model, dim, epochs, batch_size
        self.negatives, self.loss, self.margin, self.temperature = negatives, loss, margin, temperature
        self.lr, self.n3, self.inverse, self.constrained = lr, n3, inverse, constrained
        self.looks, self.use_rules, self.seed, self.memory_budget = looks, use_rules, seed, memory_budget
        check_whole(self, "looks")
        check_budget(memory_budget)
        self.encoder()

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 (scikit-learn's signature)
        """The options of the constructor."""
        return {
            name: getattr(self, name) for name in ("model", *_PASSED, "looks", "use_rules", "seed", "memory_budget")
        }

    def encoder(self) -> TripleEncoder:
        """The triple encoder whose scorer and defaults are used, not fitted.

        Raises:
            InputError: No such model, or an option that it cannot have.
        """
        from kgzsl import priors

        kind = priors.encoders.find(self.model)
        if not issubclass(kind, TripleEncoder):
            known = ", ".join(
                name for name in sorted(priors.encoders.names) if issubclass(priors.encoders.find(name), TripleEncoder)
            )
            raise InputError(f"the model {self.model!r} embeds no triples", remedy=f"choose {known}")
        return kind(**{name: getattr(self, name) for name in _PASSED})

    def fit(
        self,
        kg: KGSplit,
        *,
        schema: ClassGraph | None = None,
        called: Sequence[str] | None = None,
        validate: Callable[[Scorer], float] | None = None,
        engine: Engine | None = None,
    ) -> Self:
        """Train on the training triples of ``kg``; its other triples are not looked at.

        Args:
            kg: The knowledge graph.
            schema: For rules about its relations.
            called: What the schema calls each relation, where that is not its name.
            validate: Told a scorer, says how good it is (higher is better) on triples that are no part of training.
            engine: Device, seed, progress, checkpoints.

        Raises:
            InputError: No training triple.
            TrainingError: A loss became NaN or infinite.
        """
        if not len(kg.train):
            raise InputError("there is no training triple", file=kg.source)
        engine = engine or Engine(device="cpu", precision="32-true", seed=self.seed, progress=False)
        device = engine.torch_device
        encoder = self.encoder()
        options = encoder._options()
        random = torch.Generator(device=device).manual_seed(engine.seed)
        # Numbered by name, so that the order of names in the data leaves no trace in the vectors.
        self._set_names(kg)
        self.calibration_ = None
        self.kinds_ = EntityKinds.read(kg.entities, called or kg.relations, schema, types=kg.types)
        triples = torch.unique(self._inside(kg.train.cpu()), dim=0).to(device)
        model = TripleModel(
            encoder.make_scorer(),
            kg.num_entities,
            kg.num_relations,
            inverse=self.inverse,
            generator=random,
            device=device,
            dtype=torch.float32,
        )
        steps_each = -(-len(triples) // options.batch_size)
        every = max(1, self.epochs * steps_each // self.looks)
        loop = TripleLoop(model, triples, options, steps=self.epochs * steps_each, generator=random, read_every=every)
        self.model_ = model
        self.rules_ = SchemaRules.read(schema if self.use_rules else None, called or kg.relations)
        self.set_facts(kg.train)
        keep = BestState(validate, engine, "embedding")
        self.chosen_: dict[str, Any] = {}

        def look(done: int) -> dict[str, float] | None:
            return keep.look(done, self.scorer, model.state_dict)

        self.history_: History = engine.run(
            loop, steps=self.epochs * steps_each, name="embedding", callback=look, callback_every=every
        )
        if keep.state is not None:
            model.load_state_dict(keep.state)
            self.chosen_ = {"epochs": round(keep.at / steps_each, 2), "validation.mrr": keep.value}
        model.requires_grad_(False)
        return self

    def _set_names(self, kg: KGSplit) -> None:
        self.entities_, self.relations_ = kg.entities, kg.relations
        self.seen_ = kg.names_of(torch.unique(kg.train[:, 1]))
        self.memory_budget_ = self.memory_budget
        self._order()

    def _order(self) -> None:
        names = (self.entities_, self.relations_)
        self._row, self._relation_row = (rank_of_names(kind) for kind in names)
        self._ordered: tuple[tuple[int, int, int], TripleModel] | None = None

    def _inside(self, triples: Tensor) -> Tensor:
        """Triples in the model's own numbers."""
        return torch.stack(
            [self._row[triples[:, 0]], self._relation_row[triples[:, 1]], self._row[triples[:, 2]]], dim=1
        )

    def calibrations_for(self, relation: int) -> tuple[Calibration, ...]:
        """See :meth:`ProposingCompleter.calibrations_for`; none for relations without training triples."""
        return super().calibrations_for(relation) if self.relations_[relation] in self.seen_ else ()

    def settled_answers(self, relation: int, anchors: Tensor, side: str) -> Tensor:
        """See :meth:`ProposingCompleter.settled_answers`; here what the rules entail, too, whose scores they raise."""
        found = torch.zeros(len(anchors), len(self.entities_), dtype=torch.bool)
        found[self.rules_.entailed(relation, anchors.cpu(), side)] = True
        return found

    def set_facts(self, triples: Tensor) -> Self:
        """Take these triples int64 [T, 3] as known, for the rules and for what is no proposal; nothing is trained."""
        self._known = torch.unique(self._told_facts(triples), dim=0)
        self.rules_ = self.rules_.about(self._known, len(self.entities_))
        return self

    def grow(
        self,
        entities: Sequence[str] = (),
        relations: Sequence[str] = (),
        *,
        schema: ClassGraph | None = None,
        was: ClassGraph | None = None,  # noqa: ARG002 (no priors are made again)
        types: Types | None = None,
    ) -> list[str]:
        """Take classes of entities in; an embedding has no vector for entities and relations that came after training.

        Raises:
            InputError: There is something new.
        """
        if entities or relations:
            name = next(iter([*entities, *relations]))
            raise InputError(
                f"{name!r} is in no training triple: an embedding knows nothing of what came after training",
                remedy="train again with its facts, or train a run with ranker: evidence, informed or ultra",
            )
        self.kinds_ = self.kinds_.grown(self.entities_, self.relations_, schema, types=types)
        return []

    @torch.no_grad()
    def scores(self, relation: str | int, anchors: Tensor, *, side: str = "tail") -> Tensor:
        """The model's scores, with the rules of the schema over them.

        Args:
            relation: Name or id.
            anchors: int64 [Q], heads for ``side="tail"``, tails for ``side="head"``.
            side: Which end is asked for.

        Returns:
            float32 [Q, E].
        """
        number, anchors = self._asked(relation, anchors, side)
        model = self._in_order()
        given = anchors.to(model.nodes.device)
        kind = torch.full_like(given, int(self._relation_row[number]))
        found = model.score_tails(given, kind) if side == "tail" else model.score_heads(kind, given)
        return self.rules_.adjust(found.cpu(), number, anchors, side)

    def _in_order(self) -> TripleModel:
        """The model with a row for each entity in the order of the data, made once for vectors that stay.

        The vectors are put into this order rather than the scores: there are more of these.
        """
        nodes = self.model_.nodes
        version = id(nodes), nodes._version, nodes.data_ptr()
        kept = self._ordered
        if kept is None or kept[0] != version or nodes.requires_grad:
            model = copy.copy(self.model_)
            # A module's parameters are no attributes: a copy shares the table of them.
            model._parameters = dict(model._parameters)
            model.nodes = torch.nn.Parameter(nodes.detach()[self._row.to(nodes.device)], requires_grad=False)
            kept = version, model
            # While vectors are trained nothing is kept of them.
            self._ordered = None if nodes.requires_grad else kept
        return kept[1]

    def entity_vectors(self) -> Tensor:
        """The vectors of the entities, in their order: float32 [E, V]."""
        vectors: Tensor = self.model_.nodes.detach().cpu()[self._row]
        return vectors

    def save(self, folder: str | PathLike[str]) -> Path:
        """Write all that answering needs into a folder, all or nothing, and return it."""
        if not hasattr(self, "model_"):
            raise InputError("the model is not fitted yet", remedy="call fit(kg) first")
        folder = Path(folder)
        about = {
            "format": FORMAT,
            "options": self.get_params(),
            "entities": list(self.entities_),
            "relations": list(self.relations_),
            "seen": self.seen_,
            "chosen": self.chosen_,
            "calibration": None if self.calibration_ is None else self.calibration_.to_dict(),
            "kinds": list(self.kinds_.names),
            "rules": {kind: sorted(found) for kind, found in self.rules_.kinds.items()},
        }
        tree = {
            "model": self.model_.state_dict(),
            "known": self._known,
            "implied": self.rules_.implied,
            "kinds": self.kinds_.state(),
        }
        return write_model(folder, about, tree)

    @classmethod
    def load(cls, folder: str | PathLike[str], *, device: str = "auto") -> EmbeddingCompleter:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: There is no model, or it is damaged or of another version.
        """
        folder = Path(folder)
        about = read_description(folder / ABOUT, FORMAT, "embedding")
        tree = load_tree(folder / TENSORS)
        try:
            made = cls(**about["options"])
            made.entities_, made.relations_ = tuple(about["entities"]), tuple(about["relations"])
            made.seen_, made.chosen_, made.memory_budget_ = about["seen"], dict(about["chosen"]), made.memory_budget
            made._order()
            # Models of before have none.
            told = about.get("calibration")
            made.calibration_ = None if told is None else Calibration.from_dict(told)
            made.kinds_ = EntityKinds.of_folder(about, tree, made.entities_, made.relations_)
            kinds = {kind: frozenset(found) for kind, found in about["rules"].items()}
            made.rules_ = SchemaRules(kinds, tree["implied"].reshape(-1, 3), len(made.relations_))
            made.set_facts(tree["known"])
            model = TripleModel(
                made.encoder().make_scorer(), len(made.entities_), len(made.relations_), inverse=made.inverse
            )
            model.load_state_dict(tree["model"])
            where = Engine(device=device, progress=False).torch_device
            made.model_ = model.to(where).requires_grad_(False)
        except (KeyError, TypeError, RuntimeError, AttributeError) as error:
            raise InputError(f"the model is damaged ({error})", file=folder, remedy="train it again") from error
        return made

    def __repr__(self) -> str:
        fitted = (
            f", {len(self.entities_)} entities, {len(self.relations_)} relations" if hasattr(self, "model_") else ""
        )
        return f"EmbeddingCompleter({self.model!r}{fitted})"
