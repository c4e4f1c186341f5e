"""Confidences of embeddings: fitted on validation triples alone, saved with the run, asked for by `complete`."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from kgzsl.cli.app import run as run_cli
from kgzsl.datasets import KGSplit
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.recipe import Recipe
from kgzsl.tasks.kg_completion import load_completer, run
from kgzsl.tasks.kg_completion._answers import answers_in
from kgzsl.tasks.kg_completion.candidate_rules import make_rule
from kgzsl.tasks.kg_completion.evidence.calibration import Calibration
from kgzsl.tasks.kg_completion.explanation import explain_completion
from kgzsl.tasks.kg_completion.inductive.protocol import InductiveProtocol
from kgzsl.tasks.kg_completion.ordinary import EmbeddingCompleter, OrdinaryProtocol
from kgzsl.tasks.kg_completion.ordinary import protocol as module
from kgzsl.tasks.kg_completion.proposals import propose
from tests.tasks.kg_completion.renumbering import renumbered

RANKER = {"name": "embedding", "model": "complex", "dim": 16, "epochs": 40, "batch_size": 32, "negatives": 0}


@pytest.fixture
def world(kg) -> KGSplit:
    """The little world with all relations in training, and parts of the triples put aside."""
    every = torch.cat([kg.train, kg.test])
    every = every[torch.randperm(len(every), generator=torch.Generator().manual_seed(0))]
    parts = {"train": every[30:], "valid": every[:15], "test": every[15:30]}
    # Numbered as a run numbers it, so that its model is asked by the same numbers.
    return KGSplit(kg.entities, kg.relations, **parts, name="world").in_name_order()


def recipe(**changes):
    content = {"task": "kg_completion", "dataset": "world", "ranker": RANKER, "train": {"device": "cpu"}}
    return Recipe.build({**content, "controls": ["chance"], "protocol": {"seeds": 1}, **changes})


def test_a_run_gives_confidences_and_tells_how_far_they_are_off(world, tmp_path):
    result = run(recipe(), data=world, progress=False)
    found = result.model.calibration_
    assert found.held_out == "facts"
    assert 6 <= found.groups <= len(world.valid)
    assert found.queries == 2 * found.groups
    assert any(line.startswith(("confidences are off by", "confidences: no answer")) for line in result.warnings)
    assert "kgc.confidence.answers" in result.metrics
    anchors = torch.arange(6)
    told = result.model.probabilities("livesIn", anchors)
    proposals = propose(result.model, "livesIn", heads=[world.entities[0]], top=3).found
    assert [one.confidence for one in proposals] == sorted((one.confidence for one in proposals), reverse=True)
    result.model.save(tmp_path / "model")
    again = load_completer(tmp_path / "model", device="cpu")
    assert again.calibration_ == found
    assert torch.equal(again.probabilities("livesIn", anchors), told)


def test_what_was_fitted_for_one_training_is_not_kept_for_the_next(world):
    model = run(recipe(), data=world, progress=False).model
    assert model.calibration_ is not None
    assert model.fit(world).calibration_ is None


def test_models_saved_before_have_no_confidences_and_load(world, tmp_path):
    run(recipe(), data=world, progress=False).model.save(tmp_path / "model")
    file = tmp_path / "model" / "model.json"
    about = json.loads(file.read_text())
    del about["calibration"]
    file.write_text(json.dumps(about))
    old = load_completer(tmp_path / "model", device="cpu")
    assert old.calibration_ is None
    assert propose(old, "livesIn", heads=[world.entities[0]], top=1).found[0].confidence is None


def test_validation_triples_are_facts_of_the_model_that_is_kept_but_of_none_that_is_scored(world, monkeypatch):
    told, final_score, set_facts = [], OrdinaryProtocol.final_score, EmbeddingCompleter.set_facts
    monkeypatch.setattr(
        OrdinaryProtocol, "final_score", lambda *a, **o: (told.append("scored"), final_score(*a, **o))[1]
    )
    monkeypatch.setattr(EmbeddingCompleter, "set_facts", lambda *a: (told.append(len(a[1])), set_facts(*a))[1])
    model = run(recipe(), data=world, progress=False).model
    assert told == [len(world.train), "scored", len(world.train) + len(world.valid)]
    known = torch.cat([world.train, world.valid])
    assert {tuple(fact) for fact in model._known.tolist()} == {tuple(fact) for fact in known.tolist()}


@pytest.mark.parametrize("why", ["none", "absent", "few"])
def test_without_validation_triples_there_are_none_and_that_is_told(world, why):
    left = {"none": len(world.valid), "absent": 0, "few": 5}[why]
    validation = "none" if why == "none" else "held-out-relations"
    data = replace(world, valid=world.valid[:left])
    result = run(recipe(protocol={"seeds": 1, "validation": validation}), data=data, progress=False)
    assert result.model.calibration_ is None
    assert not [name for name in result.metrics if "confidence" in name]
    notes = propose(result.model, "livesIn", heads=[world.entities[0]], top=2).notes
    assert any(note.startswith("the scores are not calibrated") for note in notes)
    with pytest.raises(InputError, match="has no calibration for livesIn"):
        propose(result.model, "livesIn", heads=[world.entities[0]], min_confidence=0.5)


def test_the_test_triples_have_no_say(world):
    def scorer(relation, anchors, side):
        random = torch.Generator().manual_seed(relation)
        scores = torch.randn(len(anchors), world.num_entities, generator=random)
        return scores + 4 * answers_in(world.valid, relation, anchors, side, world.num_entities)

    rules = [make_rule("all", world)]
    found = OrdinaryProtocol(world, rules).calibrated(scorer)
    assert found is not None
    other = replace(world, test=world.test.flip(0)[:3])
    assert OrdinaryProtocol(other, rules).calibrated(scorer) == found
    assert OrdinaryProtocol(replace(world, valid=world.valid[:9]), rules).calibrated(scorer) != found
    # An inductive completer has calibrations of its own, and reads its answers off the facts that it was given.
    assert InductiveProtocol(world, rules).calibrated(scorer) is None
    assert torch.equal(InductiveProtocol(world, rules).known, world.train)


def test_another_numbering_of_entities_and_relations_changes_no_confidence(world):
    other = renumbered(world, 3)
    first, second = (run(recipe(), data=data, progress=False).model for data in (world, other))
    assert first.calibration_.groups == second.calibration_.groups
    assert first.entities_ == second.entities_ == world.entities
    for side in ("tail", "head"):
        here, there = (model.probabilities("livesIn", torch.arange(6), side=side) for model in (first, second))
        assert torch.equal(here, there)


def test_a_relation_without_training_triples_has_none(world):
    lost = world.relation("friendOf")
    data = replace(world, train=world.train[world.train[:, 1] != lost])
    model = run(recipe(), data=data, progress=False).model
    assert model.calibration_ is not None
    assert model.calibrations_for(lost) == ()
    told = propose(model, "friendOf", heads=[world.entities[0]], top=1)
    assert told.found[0].confidence is None
    assert any("friendOf has no training triple" in note for note in told.notes)


def test_what_the_rules_entail_neither_takes_a_share_nor_is_fitted_on(world):
    schema = ClassGraph.from_triples(
        [("http://x/knows", "http://www.w3.org/2000/01/rdf-schema#subPropertyOf", "http://x/friendOf")]
    )
    model = EmbeddingCompleter(dim=8, epochs=2, batch_size=32).fit(world, schema=schema)
    friend, knows = world.relation("friendOf"), world.relation("knows")
    follow = model.rules_.entail(world.train)
    assert len(follow) > len(torch.unique(world.train, dim=0))
    anchors = torch.unique(world.train[world.train[:, 1] == knows][:, 0])
    settled = model.settled_answers(friend, anchors, "tail")
    assert torch.equal(settled, answers_in(follow, friend, anchors, "tail", world.num_entities))
    only = settled & ~model.known_answers(friend, anchors, "tail")
    assert only.any()
    # Scores of what follows are raised above all others, which would leave these nothing.
    model.calibration_ = Calibration(0.0, 0.0, 1.0, tuple(i / 20 for i in range(21)), None, None, 9, 18, "facts")
    told = model.probabilities(friend, anchors).masked_fill(settled, 0)
    assert torch.allclose(told.sum(dim=1), torch.ones(len(anchors)), atol=1e-3)
    protocol = OrdinaryProtocol(replace(world, valid=world.test), [make_rule("all", world)])
    plain, left = protocol.calibrated(model.scorer), protocol.calibrated(model.scorer, follow)
    assert left.groups <= plain.groups
    assert left != plain


def test_a_run_fits_beside_what_follows_and_tells_beside_validation_triples(world, tmp_path, monkeypatch):
    (tmp_path / "s.ttl").write_text(
        "@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n"
        "<http://x/knows> rdfs:subPropertyOf <http://x/friendOf> ."
    )
    told, calibrated, check = {}, OrdinaryProtocol.calibrated, module.check_confidences

    def fit(self, scorer, follow=None):
        told["follow"] = follow
        return calibrated(self, scorer, follow)

    def checked(model, kg, test, facts, **options):
        told["facts"] = facts
        return check(model, kg, test, facts, **options)

    monkeypatch.setattr(OrdinaryProtocol, "calibrated", fit)
    monkeypatch.setattr(module, "check_confidences", checked)
    model = run(recipe(graph={"source": str(tmp_path / "s.ttl")}), data=world, progress=False).model
    rows = [{tuple(fact) for fact in some.tolist()} for some in (told["follow"], world.train, told["facts"])]
    assert rows[0] > rows[1]
    assert rows[0] == {tuple(fact) for fact in model.rules_.entail(world.train).tolist()}
    assert rows[2] == rows[1] | {tuple(fact) for fact in world.valid.tolist()}


def test_a_relation_all_of_whose_facts_follow_is_not_fitted_on(world):
    friend, knows = world.relation("friendOf"), world.relation("knows")
    train = world.train[world.train[:, 1] != friend]
    follow = train[train[:, 1] == knows].clone()
    follow[:, 1] = friend
    valid = torch.cat([world.valid, world.test])
    left = {tuple(fact) for fact in valid.tolist()} - {tuple(fact) for fact in train.tolist()}
    protocol = OrdinaryProtocol(replace(world, train=train, valid=valid), [make_rule("all", world)])
    found = protocol.calibrated(lambda _r, anchors, _s: torch.zeros(len(anchors), world.num_entities), follow)
    assert any(fact[1] == friend for fact in left)
    assert found.groups == sum(fact[1] != friend for fact in left)


def test_a_least_confidence_is_kept_to_from_the_command_line(world, tmp_path, capsys):
    (tmp_path / "kg").mkdir()
    for part in ("train", "valid", "test"):
        names = [
            (world.entities[h], world.relations[r], world.entities[t]) for h, r, t in getattr(world, part).tolist()
        ]
        (tmp_path / "kg" / f"{part}.txt").write_text("".join("\t".join(one) + "\n" for one in names))
    content = {"task": "kg_completion", "dataset": str(tmp_path / "kg"), "ranker": RANKER, "train": {"device": "cpu"}}
    (tmp_path / "recipe.yaml").write_text(json.dumps({**content, "controls": ["chance"], "protocol": {"seeds": 1}}))
    folder = str(tmp_path / "run")
    assert run_cli(["run", str(tmp_path / "recipe.yaml"), "--out", folder, "--quiet"]) == 0
    assert run_cli(["info", folder]) == 0
    assert "confidences: calibration error" in " ".join(capsys.readouterr().out.split())

    def asked(*more):
        capsys.readouterr()
        given = ["complete", folder, "--relation", "livesIn", "--top", "30", "--json", "--no-why"]
        assert run_cli([*given, *more]) == 0
        return json.loads(capsys.readouterr().out)

    every = asked()["proposals"]
    sure = [one["confidence"] for one in every]
    assert all(0 <= one <= 1 for one in sure)
    assert sure == sorted(sure, reverse=True)
    least = (sure[0] + sure[-1]) / 2
    kept = asked("--min-confidence", str(least))
    assert kept["proposals"] == [one for one in every if one["confidence"] >= least]
    assert 0 < len(kept["proposals"]) < len(every)
    assert kept["unsure"] == len(every) - len(kept["proposals"])
    assert any(" held-out facts, " in note for note in kept["notes"])


def test_an_embedding_is_explained_by_facts_and_schema(world, tmp_path):
    schema = ClassGraph.from_triples([("livesIn", "rdfs:range", "city"), ("bornIn", "rdfs:subPropertyOf", "livesIn")])
    model = run(recipe(), data=world, progress=False).model
    told = explain_completion(model, None, "p1", "livesIn", "c1", graph=schema)
    facts = {(world.entities[h], world.relations[r], world.entities[t]) for h, r, t in model._known.tolist()}
    wanted = {fact for fact in facts if {fact[0], fact[2]} == {"p1", "c1"}}
    assert wanted
    assert {fact for fact, _ in told.links} == wanted
    assert {likeness for _, likeness in told.links} == {None}
    assert not told.nearest_seen
    assert not told.shared
    assert "cosine" not in told.text()
    assert [one.text for one in told.axioms]
    assert told.confidence is not None
    assert told.entailed == ("p1 bornIn c1",)
    with pytest.raises(InputError, match="trained on all facts together"):
        explain_completion(model, None, "p1", "livesIn", "c1", statements=2)
