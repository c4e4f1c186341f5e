"""Losses are 0 on hand-made models of the axioms, and positive by the right amount when a model is spoilt."""

import math

import numpy as np
import pytest
import torch

from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.normal_forms import NormalForms
from kgzsl.priors.geometric import (
    AxiomLoop,
    AxiomOptions,
    Axioms,
    BallModel,
    BoxModel,
    GeometricModel,
    poincare_distance,
)
from kgzsl.priors.geometric.hyperbolic import PoincareModel

MAMMAL, EQUINE, ZEBRA, STRIPED, CAT, SAVANNA, UNICORN = range(7)
LIVES_IN, FOUND_IN = range(2)
AXIOMS = {
    "gci0": [[ZEBRA, EQUINE], [EQUINE, MAMMAL]],
    "gci1": [[EQUINE, STRIPED, ZEBRA]],
    "gci2": [[ZEBRA, LIVES_IN, SAVANNA]],
    "gci3": [[LIVES_IN, SAVANNA, MAMMAL]],
    "gci1_bot": [[EQUINE, CAT]],
    "gci0_bot": [[UNICORN]],
    "gci3_bot": [[FOUND_IN, UNICORN]],
}
BOX_AXIOMS = {**AXIOMS, "role_inclusion": [[LIVES_IN, FOUND_IN]], "role_chain": [[LIVES_IN, LIVES_IN, FOUND_IN]]}
del BOX_AXIOMS["gci3_bot"]


def rows(axioms: dict) -> dict[str, torch.Tensor]:
    return {form: torch.tensor(found) for form, found in axioms.items()}


def fill(parameter: torch.nn.Parameter, values: list) -> None:
    parameter.data = torch.tensor(values, dtype=torch.float64)


def balls() -> BallModel:
    model = BallModel(7, 2, 2, dtype=torch.float64)
    fill(model.centres, [[1, 0], [1, 0], [1, 0], [math.cos(0.05), math.sin(0.05)], [-1, 0], [0, 1], [0, -1]])
    fill(model.radii, [0.6, 0.4, -0.12, 0.1, 0.3, 0.5, 0.0])
    fill(model.steps, [[-1, 1], [0, 0]])
    return model


def boxes() -> BoxModel:
    model = BoxModel(7, 2, 2, bumps=0.0, dtype=torch.float64)
    #                       mammal  equine  zebra         striped       cat     savanna  unicorn
    fill(model.centres, [[0, 0], [0, 0], [0.5, 0.5], [1.5, 1.5], [5, 5], [-3, 3], [9, 9]])
    fill(model.offsets, [[2, 2], [1, -1], [0.5, 0.5], [1.5, 1.5], [1, 1], [0.5, 0.5], [0, 0]])
    fill(model.bumps, [[0, 0]] * 5 + [[1, 1], [0, 0]])
    # Zebra bumped by savanna is the square around (1.5, 1.5); the head less savanna's bump must lie in mammal.
    fill(model.head_centres, [[1.5, 1.5], [1.5, 1.5]])
    fill(model.head_offsets, [[0.5, 0.5], [0.6, 0.6]])
    fill(model.tail_centres, [[-3, 3], [-3, 3]])
    fill(model.tail_offsets, [[0.5, 0.5], [1, 1]])
    return model


@pytest.mark.parametrize(("model", "axioms"), [(balls(), AXIOMS), (boxes(), BOX_AXIOMS)])
def test_every_loss_is_zero_on_a_model_of_the_axioms(model: GeometricModel, axioms: dict):
    for form, found in rows(axioms).items():
        assert model.loss(form, found).abs().max() < 1e-12, form
    assert model.regulariser() < 1e-12
    # The same through the training loop, which adds them up.
    loop = AxiomLoop(
        model, rows(axioms), torch.empty(0, dtype=torch.int64), AxiomOptions(negatives=0), steps=1,
        generator=torch.Generator(),
    )  # fmt: skip
    assert sum(loop.losses(rows(axioms)).values()) < 1e-12


@pytest.mark.parametrize(
    ("spoil", "form", "expected"),
    [
        (lambda m: m.radii.__setitem__(ZEBRA, 0.5), "gci0", 0.1),  # 0.1 beyond equine's 0.4
        (lambda m: m.radii.__setitem__(ZEBRA, 0.05), "gci1", 0.05),  # both could share 0.1, zebra holds 0.05
        (lambda m: m.radii.__setitem__(SAVANNA, 0.1), "gci2", 0.02),
        (lambda m: m.steps.__setitem__(LIVES_IN, torch.tensor([-4.0, 1.0])), "gci3", 3 - 0.5 - 0.6),
        (lambda m: m.radii.__setitem__(CAT, 1.9), "gci1_bot", 0.4 + 1.9 - 2),
        (lambda m: m.radii.__setitem__(UNICORN, -0.2), "gci0_bot", 0.2),
        (lambda m: m.radii.__setitem__(UNICORN, 0.2), "gci3_bot", 0.2),
    ],
)
def test_a_spoilt_ball_shows_in_its_axiom(spoil, form, expected):
    model = balls()
    with torch.no_grad():
        spoil(model)
    assert model.loss(form, rows(AXIOMS)[form]).max().item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("spoil", "form", "expected"),
    [
        (lambda m: m.offsets.__setitem__(ZEBRA, torch.tensor([0.8, 0.5])), "gci0", 0.3),
        (lambda m: m.centres.__setitem__(ZEBRA, torch.tensor([0.5, 0.1])), "gci1", 0.4),
        (lambda m: m.bumps.__setitem__(SAVANNA, torch.tensor([1.0, 2.0])), "gci2", 0.5),
        (lambda m: m.bumps.__setitem__(SAVANNA, torch.tensor([-3.0, -4.0])), "gci3", math.hypot(3, 4)),
        (lambda m: m.offsets.__setitem__(CAT, torch.tensor([4.5, 7.0])), "gci1_bot", math.hypot(0.5, 3)),
        (lambda m: m.offsets.__setitem__(UNICORN, torch.tensor([3.0, -4.0])), "gci0_bot", 5.0),
        (lambda m: m.tail_offsets.__setitem__(FOUND_IN, torch.tensor([0.5, 0.1])), "role_inclusion", 0.2),
        (lambda m: m.head_offsets.__setitem__(FOUND_IN, torch.tensor([0.5, 0.1])), "role_chain", 0.2),
    ],
)
def test_a_spoilt_box_shows_in_its_axiom(spoil, form, expected):
    model = boxes()
    with torch.no_grad():
        spoil(model)
    assert model.loss(form, rows(BOX_AXIOMS)[form]).max().item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("model", [balls(), boxes()])
def test_gaps_against_all_concepts_are_those_of_single_pairs(model):
    below = torch.tensor([ZEBRA, CAT])
    table = model.gaps(below)
    single = torch.stack([model.gaps(below, torch.full((2,), one)) for one in range(7)], dim=1)
    assert torch.allclose(table, single, atol=1e-7)
    assert (table[0, [EQUINE, MAMMAL]] <= 1e-9).all()
    assert (table[0, [CAT, SAVANNA]] > 0.1).all()


def test_the_distance_from_the_middle_of_the_poincare_ball():
    """d(0, x) = 2 artanh |x|; distances do not change under rotation, and agree with the table of all pairs."""
    x = torch.tensor([[0.3, 0.4], [0.0, 0.9], [-0.2, 0.1]], dtype=torch.float64)
    assert torch.allclose(poincare_distance(torch.zeros_like(x), x), 2 * torch.atanh(x.norm(dim=1)))
    turn = torch.tensor([[math.cos(1), -math.sin(1)], [math.sin(1), math.cos(1)]], dtype=torch.float64)
    assert torch.allclose(poincare_distance(x[0], x[1]), poincare_distance(turn @ x[0], turn @ x[1]))
    model = PoincareModel(3, 2, dtype=torch.float64)
    model.points.data = x
    every = model.gaps(torch.arange(3))
    for row in range(3):
        for column in range(3):
            if row != column:
                pair = model.gaps(torch.tensor([row]), torch.tensor([column]))
                assert every[row, column].item() == pytest.approx(pair.item(), rel=1e-6)


ONTOLOGY = """
@prefix : <http://x#> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
:Zebra a owl:Class ; rdfs:subClassOf :Equine,
    [ a owl:Restriction ; owl:onProperty :livesIn ; owl:someValuesFrom :Savanna ] .
:Equine a owl:Class ; owl:disjointWith :Cat . :Cat a owl:Class . :Savanna a owl:Class . :livesIn a owl:ObjectProperty .
:Striped a owl:Class .
[] a owl:Class ; owl:intersectionOf ( :Equine :Striped ) ; rdfs:subClassOf :Zebra .
"""


def test_axioms_of_the_edges_and_of_the_ontology(tmp_path):
    """The edges say what they can; the ontology says the conjunction as well."""
    path = tmp_path / "zoo.ttl"
    path.write_text(ONTOLOGY)
    graph = ClassGraph.read(path)
    edges, ontology = Axioms.of(graph), Axioms.of(graph, NormalForms.read(path))

    def said(axioms: Axioms, form: str) -> set[tuple[str, ...]]:
        short = [name.rsplit("#")[-1] for name in axioms.concepts]
        roles = [name.rsplit("#")[-1] for name in axioms.roles]
        columns = {"gci2": (short, roles, short)}.get(form, (short,) * 3)
        return {tuple(column[one] for column, one in zip(columns, row, strict=False)) for row in axioms.forms[form]}

    for axioms in (edges, ontology):
        assert said(axioms, "gci0") == {("Zebra", "Equine")}
        assert said(axioms, "gci2") == {("Zebra", "livesIn", "Savanna")}
        assert {frozenset(pair) for pair in said(axioms, "gci1_bot")} == {frozenset(("Equine", "Cat"))}
    assert not len(edges.forms["gci1"])
    assert len(ontology.forms["gci1"]) == 1
    assert list(edges.concepts) == sorted(edges.concepts)


def test_held_out_subsumptions_leave_every_concept_in_an_axiom():
    chain = [(f"c{one}", "subClassOf", f"c{one + 1}") for one in range(6)]
    shortcuts = [("c0", "subClassOf", "c6"), ("c1", "subClassOf", "c5")]
    axioms = Axioms.of(ClassGraph.from_triples([*chain, *shortcuts]))
    rest, held = axioms.hold_out(0.5, np.random.default_rng(0))
    assert len(held) + len(rest.forms["gci0"]) == 8
    assert len(held) >= 3
    assert rest.mentioned().all()
    assert len(axioms.closure()) == 7 * 6 / 2  # a chain of seven
