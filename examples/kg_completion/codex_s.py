"""CoDEx-S with Wikidata's types and texts: seen relations by an embedding, an unseen one by what its text says.

Needs kg/codex_s under $KGZSL_DATA:

    python examples/kg_completion/codex_s.py
    python examples/kg_completion/codex_s.py 40 500      # so many epochs of the embedding, steps of the ranker
"""

from __future__ import annotations

import json
import sys

import kgzsl
from kgzsl.datasets import KGSplit
from kgzsl.tasks.kg_completion import EvidenceCompleter
from kgzsl.tasks.kg_completion.candidate_rules import CandidateRule
from kgzsl.tasks.kg_completion.evaluation import evaluate
from kgzsl.tasks.kg_completion.ordinary import EmbeddingCompleter, OrdinaryProtocol, type_rule

UNSEEN = ("P551", "P1412")  # residence; languages spoken, written or signed


def main(epochs: int = 2, steps: int = 60) -> None:
    folder = kgzsl.datasets.data_dir() / "kg" / "codex_s"
    if not folder.is_dir():
        print(f"skipped: no {folder}; set KGZSL_DATA to the folder that has kg/codex_s")
        return
    kg = kgzsl.datasets.load("codex_s")
    every = CandidateRule("all", {}, {})

    # Relations that training shows: vectors, ranked among entities with a class that training answers have.
    protocol = OrdinaryProtocol(kg, [type_rule(kg), every], queries=100)
    model = EmbeddingCompleter(dim=64, epochs=epochs, looks=2).fit(protocol.final_kg, validate=protocol.validate)
    found = protocol.final_score({"complex": model.scorer})["complex"]
    figures = found.metrics({"type": "", "all": "all."})
    print(f"complex: MRR {figures['mrr']:.3f} among entities of fitting types, {figures['all.mrr']:.3f} among all")

    # Relations that training does not show: their texts say which others they are like.
    texts = json.loads((folder / "relations_en.json").read_text(encoding="utf-8"))
    told = {
        name: [f"{text['label']}: {text['description']}"] for name, text in texts.items() if name in kg.relation_ids
    }
    triples = [tuple(line.split()) for line in (folder / "train.txt").read_text(encoding="utf-8").splitlines()]
    seen = [triple for triple in triples if triple[1] not in UNSEEN]
    held = [triple for triple in triples if triple[1] in UNSEEN]
    split = KGSplit.from_names(seen, [], held, unseen_relations=[name for name in UNSEEN if name in told])
    schema = kgzsl.ClassGraph.from_triples([(name, "urn:about", "urn:relation") for name in told], texts=told)
    priors = kgzsl.priors.make("tfidf").fit(schema).priors(split.relations).normalised()
    types = {entity: kinds[0] for entity, kinds in (kg.types or {}).items()}
    ranker = EvidenceCompleter(queries=8, corrupted=64, steps=steps, calibrate=False).fit(split, priors, types=types)
    ranks = evaluate(split, split.test[:100], ranker.scorer, [every], sides="tail")
    figures = ranks.metrics({"all": ""})
    chance = ranks.chance({"all": ""})
    print(f"unseen, by text: MRR {figures['mrr']:.3f} among all {split.num_entities}; chance {chance['mrr']:.3f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
