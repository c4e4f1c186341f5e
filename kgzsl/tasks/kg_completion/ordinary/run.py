"""From a recipe with ``ranker: embedding`` to a result: training, controls, one final score."""

from __future__ import annotations

import time

from kgzsl.datasets import KGSplit
from kgzsl.datasets.kg_labels import entity_labels
from kgzsl.tasks._begun import begin
from kgzsl.tasks._data import read_kg
from kgzsl.tasks._knowledge import read_sources
from kgzsl.tasks.kg_completion.checks import data_notes
from kgzsl.tasks.kg_completion.evaluation import Scorer
from kgzsl.tasks.kg_completion.known_contradictions import KnownContradictions
from kgzsl.tasks.kg_completion.ordinary.controls import popularity, rules_alone, shuffled_triples
from kgzsl.tasks.kg_completion.ordinary.embedding_completer import EmbeddingCompleter
from kgzsl.tasks.kg_completion.ordinary.protocol import OrdinaryProtocol
from kgzsl.tasks.kg_completion.ranker_run import RankerRun

__all__ = ["OrdinaryRun"]


class OrdinaryRun(RankerRun):
    """One run of ordinary completion; arguments as for :func:`kgzsl.tasks.kg_completion.run`."""

    model: EmbeddingCompleter | None = None

    def _prepare(self, data: KGSplit | None) -> None:
        loaded = read_kg(self.recipe, data)
        main, _ = read_sources(self.recipe, loaded.relations, graph_source=loaded.graph_source, in_name_order=True)
        begin(self.folder, loaded, [main.graph], resume=self._resume)
        self.graph, self._called = main.kept(loaded.relations), main.called
        self.protocol = OrdinaryProtocol(loaded, self._rules(loaded, self._called), **self._protocol_options())
        self.data_name, self.entities, self.relations = loaded.name, loaded.entities, loaded.relations
        self.labels = entity_labels(loaded)
        self.contradicting = KnownContradictions.read(loaded, main.graph, main.called)
        odd = data_notes(loaded, main.graph, main.called)
        self.notes = [*loaded.notes, *odd, *self.contradicting.notes()]
        strange = len(loaded.unseen_relations)
        if strange:
            self.notes.append(
                f"{strange} relations of test have no training triple: an embedding knows nothing of them"
            )
        self.seen_names = loaded.names_of(loaded.seen_relations)
        self.unseen_names = loaded.names_of(loaded.unseen_relations)

    def _scorers(self) -> dict[str, Scorer]:
        scorers: dict[str, Scorer] = {}
        kg, controls = self.protocol.final_kg, self.recipe.controls
        for seed in self.seeds:
            model = self._fit(seed, kg, "")
            if self.model is None:
                self.model = model
                self._calibrate(seed, model)
            scorers[f"{seed}/method"] = model.scorer
            if "popularity" in controls:
                scorers[f"{seed}/popularity"] = popularity(kg.train, kg.num_entities)
            if "rules" in controls and not model.rules_.empty:
                scorers[f"{seed}/rules"] = rules_alone(model.rules_, kg.num_entities)
            if "shuffled" in controls:
                scorers[f"{seed}/shuffled.method"] = self._fit(seed, shuffled_triples(kg, seed + 1), "shuffled.").scorer
        return scorers

    def _calibrate(self, seed: int, model: EmbeddingCompleter) -> None:
        """Fit probabilities for the model that is kept, by the validation triples, which it was not trained on."""
        if not self.protocol.selects:
            return
        self.log(f"seed {seed}: calibration on validation triples")
        begun = time.perf_counter()
        follow = model.rules_.entail(self.protocol.facts)
        model.calibration_ = self.protocol.calibrated(model.scorer, follow)
        self._spent("calibration", begun)

    def _fit(self, seed: int, kg: KGSplit, prefix: str) -> EmbeddingCompleter:
        self.log(f"seed {seed}: training, {'shuffled' if prefix else 'real'} triples")
        stage = f"{prefix}embedding"
        engine = self._engine(seed, stage)
        begun = time.perf_counter()
        given = self.recipe.protocol.memory_budget
        budget = {} if given is None else {"memory_budget": given}
        model = EmbeddingCompleter(**{"seed": seed, **self.ranker.options, **budget})
        model.fit(
            kg,
            schema=self.graph,
            called=self._called,
            validate=self.protocol.validate if self.protocol.selects else None,
            engine=engine,
        )
        self._spent(f"{prefix}train", begun)
        self._remember(seed, stage, model.history_, model.chosen_)
        return model
