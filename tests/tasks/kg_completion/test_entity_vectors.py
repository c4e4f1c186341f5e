"""Vectors of entities from other libraries' models, by name; nothing is unpickled, nothing is silently lost."""

from __future__ import annotations

import gzip
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from kgzsl.errors import InputError
from kgzsl.tasks.kg_completion import EntityVectors
from kgzsl.tasks.kg_completion.ordinary import EmbeddingCompleter

NAMES = ("a", "b", "c d")
TABLE = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
PYKEEN = {"entity_representations.0._embeddings.weight": TABLE, "relation_representations.0._embeddings.weight": TABLE}


def factory_files(folder, name="entity_to_id.tsv.gz"):
    """As TriplesFactory.to_path_binary writes them, rows in any order."""
    text = "id\tlabel\n2\tc d\n0\ta\n1\tb\n"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return folder / name


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
@pytest.mark.parametrize("place", ["given", "beside", "training_triples"])
def test_a_state_of_pykeen_and_the_names_of_its_factory(tmp_path, suffix, place):
    file = tmp_path / f"state.{suffix}"
    state = PYKEEN | {"entity_representations.0.regularizer.weight": torch.ones(1)}
    torch.save(state, file) if suffix == "pt" else save_file({k: v.clone() for k, v in state.items()}, file)
    names = factory_files({"given": tmp_path / "x", "beside": tmp_path}.get(place, tmp_path / place))
    found = EntityVectors.read(file, names=names if place == "given" else None)
    assert found.names == NAMES
    assert torch.equal(found.matrix, TABLE)


def test_several_representations_lie_side_by_side_and_complex_ones_as_two_parts():
    state = {f"model.entity_representations.{i}._embeddings.weight": TABLE * (i + 1) for i in (1, 0)}
    found = EntityVectors.from_pykeen(state, {"b": 1, "c d": 2, "a": 0})
    assert found.names == NAMES
    assert torch.equal(found.matrix, torch.cat([TABLE, 2 * TABLE], dim=1))
    made = EntityVectors(NAMES, torch.complex(TABLE, -TABLE))
    assert made.matrix[0].tolist() == [1, -1, 2, -2]


def test_live_pykeen_models_give_what_their_states_give(tmp_path):
    pytest.importorskip("pykeen")
    from pykeen.models import BoxE, ComplEx, TransE
    from pykeen.triples import TriplesFactory

    triples = np.array([("a", "r", "b"), ("b", "s", "c d"), ("c d", "r", "a")])
    factory = TriplesFactory.from_labeled_triples(triples)
    factory.to_path_binary(tmp_path / "training_triples")
    for kind, width in ((TransE, 4), (ComplEx, 8), (BoxE, 8)):
        model = kind(triples_factory=factory, embedding_dim=4, random_seed=0)
        live = EntityVectors.from_pykeen(model, factory)
        assert live.names == NAMES
        assert live.dim == width
        torch.save(model.state_dict(), tmp_path / "state.pt")
        saved = EntityVectors.read(tmp_path / "state.pt")
        assert saved.names == NAMES
        if kind is not BoxE:  # its boxes are made from the tables
            torch.testing.assert_close(saved.matrix, live.matrix)


def test_models_of_pyg(tmp_path):
    from torch_geometric.nn.kge import ComplEx, TransE

    plain, both = TransE(3, 2, 4), ComplEx(3, 2, 4)
    found = EntityVectors.from_pyg(plain, NAMES)
    assert torch.equal(found.matrix, plain.node_emb.weight.detach())
    torch.save(both.state_dict(), tmp_path / "pyg.pt")
    (tmp_path / "names.txt").write_text("a\nb\nc d\n")
    read = EntityVectors.read(tmp_path / "pyg.pt", names=tmp_path / "names.txt")
    assert read.names == NAMES
    assert torch.equal(read.matrix, torch.cat([both.node_emb.weight, both.node_emb_im.weight], dim=1).detach())


def test_our_own_embeddings_whatever_the_order_of_their_names(kg, tmp_path):
    model = EmbeddingCompleter(model="distmult", dim=8, epochs=1, looks=1).fit(kg)
    found = EntityVectors.read(model.save(tmp_path / "run" / "model").parent)
    assert found.names == kg.entities
    # DistMult's score is a product of the vectors, so the vectors are those of the entities.
    relation = model.model_.relations.detach()[model._relation_row[kg.relation("livesIn")]]
    expected = (found.matrix[3] * relation) @ found.matrix.T
    torch.testing.assert_close(model.scores("livesIn", torch.tensor([3]))[0], expected, atol=1e-5, rtol=1e-4)


def test_plain_tables_and_back_again(tmp_path):
    made = EntityVectors(NAMES, TABLE)
    assert EntityVectors.read(made.save(tmp_path / "v.npz")).names == NAMES
    (tmp_path / "v.tsv").write_text("a\t1\t2\nb\t3\t4\nc d\t5\t6\n")
    torch.save(TABLE, tmp_path / "alone.pt")
    for read in (
        EntityVectors.read(tmp_path / "v.npz"),
        EntityVectors.read(tmp_path / "v.tsv"),
        EntityVectors.read(tmp_path / "alone.pt", names=NAMES),
    ):
        assert read.names == NAMES
        assert torch.equal(read.matrix, TABLE)


def test_what_does_not_fit_is_counted_and_named():
    found = EntityVectors(NAMES, TABLE, "theirs").align(["b", "x", "a", "y"])
    assert torch.equal(found.matrix, torch.tensor([[3.0, 4], [0, 0], [1, 2], [0, 0]]))
    assert found.known.tolist() == [True, False, True, False]
    assert found.notes == [
        "2 entities have no vector in theirs: x, y", "1 vectors of theirs are of no entity here: c d",
    ]  # fmt: skip
    assert EntityVectors(NAMES, TABLE).align(reversed(NAMES)).notes == []


class Code:
    def __reduce__(self):
        return (print, ("ran",))


def test_bad_input(tmp_path, capsys):
    for wrong, message in (
        (lambda: EntityVectors(NAMES[:2], TABLE), "2 names for 3 entity vectors"),
        (lambda: EntityVectors(("a", "b", "a"), TABLE), "'a' is there twice"),
        (lambda: EntityVectors(NAMES, TABLE.log().index_fill(0, torch.tensor([1]), float("nan"))), "that of 'b'"),
        (lambda: EntityVectors(NAMES, TABLE[:, :0]), r"the shape \[3, 0\]"),
        (lambda: EntityVectors(NAMES, TABLE).align(["x"]), "none of 1 entities has a vector.*'x'.*'a'"),
        (lambda: EntityVectors.from_pykeen(PYKEEN, {"a": 0, "b": 2, "c": 3}), "not 0 .. 2: 2 is there twice or"),
        (lambda: EntityVectors.from_pykeen(PYKEEN, {"a": 0, "b": 1}), "2 names for 3 entity vectors"),
        (lambda: EntityVectors.from_pykeen({"entity_representations.0.gnn.weight": TABLE}, NAMES), "is computed"),
        (lambda: EntityVectors.from_pyg({"weight": TABLE}, NAMES), "no entity vectors of PyKEEN or PyTorch"),
        (lambda: EntityVectors.read(tmp_path / "none.pt"), "no such file"),
        (lambda: EntityVectors.read(tmp_path), "no completer in this folder"),
    ):
        with pytest.raises(InputError, match=message):
            wrong()
    (tmp_path / "trained_model.pkl").write_bytes(pickle.dumps(Code()))
    (tmp_path / "code.pt").write_bytes(pickle.dumps(Code()))
    for name, message in (("trained_model.pkl", "runs code when it is read"), ("code.pt", "without unpickling")):
        with pytest.raises(InputError, match=message) as caught:
            EntityVectors.read(tmp_path / name, names=NAMES)
        assert "weights_only" not in str(caught.value)
    assert "ran" not in capsys.readouterr().out
    torch.save(PYKEEN, tmp_path / "state.pt")
    with pytest.raises(InputError, match="no names"):
        EntityVectors.read(tmp_path / "state.pt")
    (tmp_path / "entity_to_id.tsv").write_text("id\tlabel\n0\ta\n1\n")
    with pytest.raises(InputError, match="not a number and a name"):
        EntityVectors.read(tmp_path / "state.pt")


def test_messages_speak_of_entities(tmp_path):
    numbers = TABLE.numpy()
    np.savez(tmp_path / "bare.npz", matrix=numbers)
    np.savez(tmp_path / "two.npz", x=numbers, y=numbers, names=np.array(NAMES))
    (tmp_path / "v.docx").write_text("x")
    for name, names, message in (
        ("bare.npz", None, "the file does not name its entities"),
        ("bare.npz", ["a"], "1 entity names for a matrix of 3 x 2"),
        ("two.npz", None, "which array holds the entity vectors is not clear"),
        ("v.docx", None, r"entity vectors cannot be read from a \.docx file"),
    ):
        with pytest.raises(InputError, match=message):
            EntityVectors.read(tmp_path / name, names=names)


def test_vectors_are_shown_by_their_numbers():
    made = EntityVectors(["a", "b"], torch.ones(2, 3), source="v.npz")
    assert repr(made) == "EntityVectors(2 entities, 3 dims, source='v.npz')"
