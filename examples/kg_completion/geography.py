"""Completes relations of a world geography that no training triple shows, from what the ontology says about them.

Run from anywhere, no download needed:

    python examples/kg_completion/geography.py
"""

from __future__ import annotations

import kgzsl


def main() -> None:
    kg = kgzsl.datasets.load("geography")
    graph = kgzsl.ClassGraph.read(kg.graph_source)
    print(kg)

    # What is said about every relation, seen or not: its definition in words, and its place in the schema.
    text = kgzsl.priors.make("tfidf").fit(graph).priors(kg.relations).normalised()
    schema = (
        kgzsl.priors.make("attributes", weights="rarity", generalise=True).fit(graph).priors(kg.relations).normalised()
    )
    priors = text | schema

    model = kgzsl.RelationCompleter(
        generator="wgan",
        generator_options={
            "hidden": 256,
            "noise_dim": 16,
            "epochs": 15,
            "batch_size": 128,
            "lr": 5e-4,
            "prior_size": 4.0,
        },
        samples=100,
        pairs={"dim": 32, "link_dim": 64, "steps": 60, "queries": 32},
    )
    model.fit(kg, priors)

    for relation, head in (
        ("seatOfGovernment", "Bolivia"),
        ("capitalOnRiver", "Hungary"),
        ("formerColonyOf", "Senegal"),
    ):
        true = {t for h, r, t in kg.test.tolist() if kg.relations[r] == relation and kg.entities[h] == head}
        print(f"\n{head} {relation} ...   (true: {', '.join(kg.entities[t] for t in true)})")
        for row in model.complete(relation, head=head, k=5):
            print(f"  {row.score:6.3f}  {row.tail}")


if __name__ == "__main__":
    main()
