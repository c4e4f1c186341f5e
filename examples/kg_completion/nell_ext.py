"""Facts about entities and relations that training never saw (NELL-Ext): ULTRA's public weights, and RMPI.

Needs kg/nell_ext, kg/nell_schema and kg/ultra under $KGZSL_DATA:

    python examples/kg_completion/nell_ext.py
    python examples/kg_completion/nell_ext.py 565 10      # so many test triples, so many epochs
"""

from __future__ import annotations

import sys
from dataclasses import replace

import torch

import kgzsl
from kgzsl.tasks.kg_completion.inductive import InductiveTask, Rmpi, Ultra, evaluate_inductive
from kgzsl.tasks.ranking import chance_metrics


def main(queries: int = 10, epochs: int = 1) -> None:
    folder = kgzsl.datasets.data_dir() / "kg"
    missing = [name for name in ("nell_ext", "nell_schema", "ultra") if not (folder / name).is_dir()]
    if missing:
        print(f"skipped: {', '.join(missing)} not in {folder}; set KGZSL_DATA to the folder that has kg/")
        return
    kg = kgzsl.datasets.load("nell_ext_both")
    training = InductiveTask.training(kg)
    # When one is asked, the facts of the training graph are known as well as the new ones.
    task = InductiveTask.inference(replace(kg, support=torch.cat([kg.train, kg.support]), valid=kg.valid[:0]))
    graph, asked = task.graph(), task.test[:queries]
    print(f"{len(training.facts)} training facts; {len(asked)} triples of unseen relations and entities are asked for")

    schema = kgzsl.ClassGraph.read(folder / "nell_schema" / "Schema-NELL.ttl")
    relations = sorted({*training.relations, *task.relations})
    priors = kgzsl.priors.make("attributes", weights="rarity", generalise=True).fit(schema).priors(relations)
    rmpi = Rmpi(epochs=epochs, lr=5e-3)
    rmpi.fit(training.facts, len(training.entities), training.relations, priors=priors.normalised())
    rmpi.about(task.relations)
    ultra = Ultra.from_checkpoint(folder / "ultra" / "ultra_3g.pth")
    for name, model in (("ultra", ultra), ("rmpi", rmpi)):
        found = evaluate_inductive(model, graph, asked, known=task.known)
        print(f"{name}: MRR {found.metrics['mrr']:.3f} among {len(task.entities)} entities, both sides, filtered")
    print(f"chance: MRR {chance_metrics(found.counts)['mrr']:.3f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
