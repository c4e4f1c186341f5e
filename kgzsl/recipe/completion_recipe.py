"""The recipe of knowledge-graph completion."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from kgzsl.errors import InputError
from kgzsl.recipe.base import Recipe
from kgzsl.recipe.specs import CompletionProtocolSpec, Component, PriorSpec, each_named, named

__all__ = ["CompletionRecipe"]

_COMPLETION_CONTROLS = ("chance", "nearest_prior", "mean_prototype", "shuffled", "link_overlap")
_RELATIONS = ("unseen_relations", "valid_relations", "relations")
_ORDINARY_CONTROLS = ("chance", "popularity", "rules", "shuffled")
_INDUCTIVE_CONTROLS = ("chance", "popularity", "link_overlap", "shuffled")


class CompletionRecipe(Recipe):
    """A recipe of knowledge-graph completion with unseen relations.

    With ``ranker: evidence`` (and its options) the method ranks by evidence, with ``link_overlap`` by the relations
    that link a pair already; a generator, where there is one too, is trained beside it for comparison. Without a ranker
    the generator is the method, and without both the closed form. With ``relation_network: gcn`` (or another graph
    network, with its options) and ``generator: null`` a network over the schema tells the prototypes.
    ``ranker: embedding`` is ordinary completion: no priors, no generator, relations that training shows.
    ``ranker: ultra``, ``informed`` and ``rmpi`` are inductive completion: entities and relations may be new.
    ``informed`` needs priors, ``rmpi`` may have some, ``ultra`` has them for its controls alone.
    """

    task: Literal["kg_completion"] = "kg_completion"
    priors: Annotated[list[PriorSpec], BeforeValidator(each_named)] = Field(default_factory=list)
    ranker: Annotated[Component | None, BeforeValidator(named)] = None
    relation_network: Annotated[Component | None, BeforeValidator(named)] = None
    pairs: dict[str, Any] = Field(default_factory=dict)
    samples_per_relation: int = Field(default=20, ge=1)
    protocol: CompletionProtocolSpec = CompletionProtocolSpec()
    controls: list[
        Literal["chance", "nearest_prior", "mean_prototype", "shuffled", "link_overlap", "popularity", "rules"]
    ] = Field(default_factory=lambda: list(_COMPLETION_CONTROLS))  # type: ignore[arg-type]

    @property
    def ordinary(self) -> bool:
        """Whether relations that training shows are completed, by embeddings."""
        return self.ranker is not None and self.ranker.name == "embedding"

    @property
    def inductive(self) -> bool:
        """Whether entities, too, may be ones that training never saw."""
        from kgzsl.tasks.kg_completion.inductive.rankers import INDUCTIVE

        return self.ranker is not None and self.ranker.name in INDUCTIVE

    def check_components(self) -> None:
        """Check names, options and values of components, and the options of the pair features."""
        from kgzsl._resolver import Resolver
        from kgzsl.tasks.kg_completion.pair_features import PairFeatures

        super().check_components()
        self._check_relations()
        pairs = Component.model_validate({**self.pairs, "name": "pairs"})
        self.check_component(Resolver("section", PairFeatures, {"pairs": PairFeatures}), pairs, "pairs")
        self.pairs = pairs.options
        if self.ranker is not None:
            from kgzsl.tasks.kg_completion.completer import Completer
            from kgzsl.tasks.kg_completion.evidence import EvidenceCompleter
            from kgzsl.tasks.kg_completion.inductive.rankers import inductive_rankers
            from kgzsl.tasks.kg_completion.link_overlap_completer import LinkOverlapCompleter
            from kgzsl.tasks.kg_completion.ordinary import EmbeddingCompleter

            rankers: dict[str, type[Completer]] = {
                "evidence": EvidenceCompleter,
                "link_overlap": LinkOverlapCompleter,
                "embedding": EmbeddingCompleter,
                **inductive_rankers(),
            }
            # What a run does depends on which of them it is: no other will do, and they go by one name each.
            resolver = Resolver("ranker", Completer, rankers, closed=True)
            self.check_component(resolver, self.ranker, "ranker")
            self.ranker.name = resolver.short_name(self.ranker.name)
        if self.relation_network is not None:
            self._check_network(self.relation_network)
        self._check_kind()

    def _check_relations(self) -> None:
        """Names of relations are texts: what YAML reads as a number (``010`` is 8) is not made a name again."""
        for key in _RELATIONS:
            told = self.dataset.options.get(key)
            names = [] if told is None else told if isinstance(told, list | tuple) else [told]
            for number, name in enumerate(names):
                if not isinstance(name, str):
                    raise InputError(
                        f"{key} has {name!r}, which is no text",
                        **self.where("dataset", key, number),
                        remedy="put the name in quotes",
                    )

    def _check_network(self, network: Component) -> None:
        from kgzsl import priors
        from kgzsl.tasks.kg_completion.relation_network import network_of

        where = self.where("relation_network")
        if self.generator is not None:
            raise InputError(
                "a relation network stands in place of a generator", **where, remedy="write generator: null"
            )
        if self.ranker is not None:
            raise InputError("a ranker has no relation network", **where, remedy="leave one of them out")
        self.check_component(priors.encoders, network, "relation_network")
        try:
            network_of(network.name, network.options)
        except InputError as error:
            raise InputError(error.problem, **where, remedy=error.remedy) from None

    def _check_kind(self) -> None:
        """What only one of the kinds of completion has."""
        if self.ranker is not None and self.protocol.calibration_folds and (self.inductive or self.ordinary):
            raise InputError(
                f"ranker {self.ranker.name} is calibrated in its own way",
                **self.where("protocol", "calibration_folds"),
                remedy="set it to 0: it is for generators, relation networks and closed-form maps",
            )
        if self.protocol.splits > 1 and (self.ranker is not None or self.protocol.validation != "held-out-relations"):
            told = f"validation: {self.protocol.validation}" if self.ranker is None else f"ranker {self.ranker.name}"
            raise InputError(
                f"{told} does not cut the seen relations for choices",
                **self.where("protocol", "splits"),
                remedy="set it to 1: it is for generators, relation networks and closed-form maps that choose on "
                "held-out relations",
            )
        if self.inductive:
            self._check_inductive()
            wrong: list[str] = [name for name in self.controls if name not in _INDUCTIVE_CONTROLS]
            remedy = f"choose among {', '.join(_INDUCTIVE_CONTROLS)}"
        elif not self.ordinary:
            if not self.priors:
                raise InputError("the key 'priors' is missing", **self.where("task"), remedy="add priors: ...")
            wrong = [name for name in self.controls if name in ("popularity", "rules")]
            remedy = f"choose among {', '.join(_COMPLETION_CONTROLS)}"
        else:
            if "generator" in self.model_fields_set and self.generator is not None:
                raise InputError(
                    "an embedding has no generator", **self.where("generator"), remedy="write generator: null"
                )
            self.generator = None
            if self.priors:
                raise InputError("an embedding takes no priors", **self.where("priors"), remedy="leave them out")
            if "controls" not in self.model_fields_set:
                self.controls = list(_ORDINARY_CONTROLS)  # type: ignore[arg-type]
            wrong = [name for name in self.controls if name not in _ORDINARY_CONTROLS]
            remedy = f"choose among {', '.join(_ORDINARY_CONTROLS)}"
        if wrong:
            raise InputError(
                f"this kind of completion has no control {wrong[0]!r}", **self.where("controls"), remedy=remedy
            )

    def _check_inductive(self) -> None:
        """No generator; a checkpoint and priors where the method needs them; a shuffled control where it reads some."""
        from kgzsl.tasks.kg_completion.inductive.edged_completer import WHERE_CHECKPOINTS_ARE
        from kgzsl.tasks.kg_completion.inductive.rankers import inductive_rankers

        assert self.ranker is not None
        kind, name = inductive_rankers()[self.ranker.name], self.ranker.name
        if "generator" in self.model_fields_set and self.generator is not None:
            raise InputError(
                "an inductive ranker has no generator", **self.where("generator"), remedy="write generator: null"
            )
        self.generator = None
        if name != "rmpi" and self.ranker.options.get("checkpoint") is None:
            raise InputError(
                f"the ranker {name!r} needs a checkpoint of ULTRA", **self.where("ranker"), remedy=WHERE_CHECKPOINTS_ARE
            )
        if kind.READS_PRIORS == "must" and not self.priors:
            raise InputError(
                f"the ranker {name!r} weighs what priors of relations say, and there are none",
                **self.where("ranker"),
                remedy="add priors: ..., or take ranker: {name: ultra, ...}",
            )
        reads = (kind.READS_PRIORS != "never" and bool(self.priors)) or bool(self.ranker.options.get("schema_edges"))
        if "controls" not in self.model_fields_set:
            self.controls = [one for one in _INDUCTIVE_CONTROLS if reads or one != "shuffled"]  # type: ignore[misc]
        elif "shuffled" in self.controls and not reads:
            raise InputError(
                f"the ranker {name!r} reads no ontology here: there is nothing to shuffle",
                **self.where("controls"),
                remedy="leave the control shuffled out",
            )
