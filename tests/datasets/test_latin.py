from __future__ import annotations

import importlib.util
import sys
import unicodedata
from collections import Counter
from itertools import permutations
from pathlib import Path
from types import ModuleType

import pytest
import torch

from kgzsl import datasets
from kgzsl.datasets.latin_characters import drawn_letters
from kgzsl.datasets.latin_images import FACES, draw_letters, drawable, gradient_features
from kgzsl.datasets.latin_letters import held_out_letters, latin_letters
from kgzsl.errors import InputError

ROOT = Path(__file__).parents[2]
BY_CHARACTER = {letter.character: letter for letter in latin_letters()}


@pytest.mark.parametrize(
    ("character", "case", "bases", "marks"),
    [
        ("g", "small", ("G",), []),
        ("ǧ", "small", ("G",), [("caron", "above")]),
        ("Ṩ", "capital", ("S",), [("dot above", "above"), ("dot below", "below")]),
        ("ợ", "small", ("O",), [("dot below", "below"), ("horn", "attached above right")]),
        ("ø", "small", ("O",), [("stroke", "through")]),
        ("ǿ", "small", ("O",), [("acute accent", "above"), ("stroke", "through")]),
        ("Ą", "capital", ("A",), [("ogonek", "attached below")]),
        ("ɓ", "small", ("B",), [("hook", "attached")]),
        ("ǽ", "small", ("A", "E"), [("acute accent", "above")]),
    ],
)
def test_letters_are_taken_apart(
    character: str, case: str, bases: tuple[str, ...], marks: list[tuple[str, str]]
) -> None:
    letter = BY_CHARACTER[character]
    assert (letter.case, letter.bases) == (case, bases)
    assert [(mark.name, mark.place) for mark in letter.marks] == marks


def test_the_dotless_i_and_the_ligatures() -> None:
    assert BY_CHARACTER["ı"].dotless
    assert not BY_CHARACTER["i"].dotless
    assert BY_CHARACTER["œ"].is_ligature
    assert BY_CHARACTER["œ"].codepoint == "U+0153"
    assert BY_CHARACTER["ǧ"].local_name == "LatinSmallLetterGWithCaron"


def test_parts_put_together_give_the_letter() -> None:
    """Where Unicode takes a letter apart, composing base and combining marks gives it back."""
    combining = {unicodedata.name(chr(c), "")[10:].lower(): chr(c) for c in range(0x300, 0x370)}
    checked = 0
    for letter in latin_letters():
        if letter.is_ligature or not all(mark.name in combining for mark in letter.marks):
            continue
        if len(unicodedata.normalize("NFD", letter.character)) != 1 + len(letter.marks):
            continue
        base = letter.bases[0] if letter.case == "capital" else letter.bases[0].lower()
        if not letter.dotless:
            # Two marks above each other compose in one order only.
            orders = permutations(combining[mark.name] for mark in letter.marks)
            assert letter.character in {unicodedata.normalize("NFC", base + "".join(order)) for order in orders}
            checked += 1
    assert checked > 400


def test_every_mark_is_on_four_letters_and_names_are_unique() -> None:
    letters = latin_letters()
    assert min(Counter(mark for letter in letters for mark in letter.marks).values()) >= 4
    for key in ("name", "local_name", "character"):
        assert len({getattr(letter, key) for letter in letters}) == len(letters)


def test_held_out_letters_leave_their_parts_in_both_cases() -> None:
    letters = drawn_letters()
    held_out = set(held_out_letters(letters, 80))
    assert len(held_out) == 80
    assert {"latin small letter g with caron", "latin capital letter g with caron"} <= held_out
    shown = [letter for letter in letters if letter.name not in held_out]
    bases = Counter((letter.case, base) for letter in shown for base in letter.bases)
    marks = Counter((letter.case, mark) for letter in shown for mark in letter.marks)
    for letter in letters:
        if letter.name in held_out:
            assert letter.marks
            assert all(bases[letter.case, base] >= 3 for base in letter.bases)
            assert all(marks[letter.case, mark] >= 3 for mark in letter.marks)
    families = Counter((letter.bases, letter.marks) for letter in letters if letter.name in held_out)
    assert set(families.values()) == {2}


def test_only_letters_with_a_glyph_in_every_face_are_drawn() -> None:
    # U+1EAA is in DejaVu Sans, not in DejaVu Sans Mono; U+E000 (private use) is nowhere.
    assert drawable(["A", "Ẫ", "\ue000"]) == ["A"]
    assert drawable(["Ẫ"], faces=["DejaVuSans"]) == ["Ẫ"]
    assert 500 <= len(drawn_letters()) <= 600


def test_pictures_are_repeatable_in_range_and_differ() -> None:
    one = draw_letters(["g", "ǧ"], 5, seed=3)
    assert one.shape == (10, 32, 32)
    assert torch.equal(one, draw_letters(["g", "ǧ"], 5, seed=3))
    assert not torch.equal(one, draw_letters(["g", "ǧ"], 5, seed=4))
    assert float(one.min()) >= 0
    assert float(one.max()) <= 1
    assert draw_letters(["g"], 2, size=16).shape == (2, 16, 16)
    with pytest.raises(InputError, match="size 30 does not divide 64"):
        draw_letters(["g"], 1, size=30)


def test_a_caron_adds_ink_above_and_a_dot_below_adds_ink_below() -> None:
    still = {"rotation": 0.0, "scale": 0.0, "shift": 0.0, "noise": 0.0}
    for face in FACES:
        plain, caron, dot = draw_letters(["e", "ě", "ẹ"], 1, faces=[face], **still)
        rows = torch.arange(32.0).unsqueeze(1)
        assert float(((caron - plain).clamp(min=0) * rows).sum() / (caron - plain).clamp(min=0).sum()) < 12
        assert float(((dot - plain).clamp(min=0) * rows).sum() / (dot - plain).clamp(min=0).sum()) > 23


def test_no_letter_is_cut_off_at_the_edge() -> None:
    from kgzsl.datasets.latin_images import _glyphs

    glyphs = _glyphs([letter.character for letter in drawn_letters()], FACES)
    edge = torch.cat([glyphs[..., 0, :], glyphs[..., -1, :], glyphs[..., :, 0], glyphs[..., :, -1]], dim=-1)
    cut = (edge > 0).any(dim=-1)
    assert not bool(cut.any()), [drawn_letters()[i].character for i in cut.any(dim=1).nonzero().flatten().tolist()]
    assert bool((glyphs.flatten(2).amax(dim=2) > 128).all())


def test_faces_occur_equally_often() -> None:
    still = {"rotation": 0.0, "scale": 0.0, "shift": 0.0, "noise": 0.0}
    pictures = draw_letters(["R"], 2 * len(FACES), **still)
    assert sorted(Counter(picture.numpy().tobytes() for picture in pictures).values()) == [2] * len(FACES)


def test_noise_has_its_standard_deviation_and_jitter_moves_the_letter() -> None:
    # 64 copies of one space: only noise; cut at 0, half of it is 0 and the mean square is half the variance.
    noisy = draw_letters([" "], 64, noise=0.2)
    assert float((noisy > 0).float().mean()) == pytest.approx(0.5, abs=0.01)
    assert float(noisy.square().mean()) == pytest.approx(0.2**2 / 2, rel=0.03)
    still = {"rotation": 0.0, "scale": 0.0, "shift": 0.0, "noise": 0.0}
    plain = draw_letters(["I"], 4, faces=["DejaVuSans"], **still)
    assert all(torch.equal(picture, plain[0]) for picture in plain)
    for key, value in (("rotation", 10.0), ("scale", 0.1), ("shift", 0.05)):
        moved = draw_letters(["I"], 4, faces=["DejaVuSans"], **(still | {key: value}))
        assert not any(torch.equal(picture, plain[0]) for picture in moved), key
        # A move within its limit keeps the ink near its place: the centre shifts by at most value * size pixels.
        if key == "shift":
            rows = torch.arange(32.0).unsqueeze(1)
            centres = (moved * rows).sum(dim=(1, 2)) / moved.sum(dim=(1, 2))
            still_centre = (plain[0] * rows).sum() / plain[0].sum()
            assert float((centres - still_centre).abs().max()) <= 0.05 * 32 + 0.01


def test_gradients_of_a_ramp_point_one_way() -> None:
    ramp = torch.linspace(0, 1, 8).expand(1, 8, 8)
    across = gradient_features(ramp, cell=4, directions=4).reshape(4, 2, 2)
    down = gradient_features(ramp.transpose(1, 2), cell=4, directions=4).reshape(4, 2, 2)
    assert float(across[1:].abs().max()) < 1e-6
    assert float(down[[0, 1, 3]].abs().max()) < 1e-6
    assert float(across.norm()) == pytest.approx(1, abs=1e-6)
    # Halfway between two of four bins (22.5 degrees), both get the same share.
    angle = torch.tensor(torch.pi / 8)
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    slanted = gradient_features((x * angle.cos() + y * angle.sin())[None, :, :], cell=8, directions=4).flatten()
    inner = gradient_features((x * angle.cos() + y * angle.sin())[None, 1:-1, 1:-1], cell=6, directions=4).flatten()
    assert slanted.shape == inner.shape == (4,)
    assert float(slanted[0]) > float(slanted[2])


def test_the_data_set_by_name() -> None:
    data = datasets.load("latin_characters", images_per_class=6, size=16)
    assert isinstance(data, datasets.ImageFeatures)
    assert data.features.shape == (6 * data.num_classes, 256)
    assert len(data.unseen) == 80
    assert "latin small letter g with caron" in data.unseen_names
    assert len(data.test_seen_loc) == len(data.seen)
    assert data.graph_source == str(ROOT / "ontologies" / "latin_characters.ttl")
    split = data.validation_split()
    assert len(split.unseen) == 60
    letters = {letter.name: letter for letter in drawn_letters()}
    assert all(letters[name].marks for name in split.unseen_names)
    assert data.class_info["character"][data.class_names.index("latin small letter g with caron")] == "ǧ"
    with pytest.raises(InputError, match="at least five"):
        datasets.load("latin_characters", images_per_class=4)
    with pytest.raises(InputError, match="'hog'"):
        datasets.load("latin_characters", features="hog")


def script() -> ModuleType:
    file = ROOT / "examples" / "ontology_import" / "unicode_characters.py"
    spec = importlib.util.spec_from_file_location("unicode_characters", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_shipped_ontology_is_what_the_script_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names and decompositions never change, so this holds with every Python's Unicode version."""
    out = tmp_path / "latin_characters.ttl"
    assert script().main(["--out", str(out)]) == 0
    assert out.read_bytes() == (ROOT / "ontologies" / "latin_characters.ttl").read_bytes()
    assert f"{len(drawn_letters())} letters" in capsys.readouterr().out
    assert script().main(["--out", str(out / "below_a_file.ttl")]) == 2
    assert "is a file, not a folder" in capsys.readouterr().err


def test_the_ontology_says_what_the_letters_are() -> None:
    import pyoxigraph as ox

    store = ox.Store()
    store.load(path=str(ROOT / "ontologies" / "latin_characters.ttl"), format=ox.RdfFormat.TURTLE)
    prefix = (
        "PREFIX : <urn:kgzsl:latin#> PREFIX owl: <http://www.w3.org/2002/07/owl#> "
        "PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#> "
    )
    query = prefix + (
        "SELECT ?property ?value { :LatinSmallLetterGWithCaron rdfs:subClassOf "
        "[ owl:onProperty ?property ; owl:someValuesFrom ?value ] }"
    )
    found = {tuple(term.value.partition("#")[2] for term in row) for row in store.query(query)}
    assert found == {
        ("hasCase", "Small"),
        ("contains", "LetterG"),
        ("hasBase", "BaseSmallG"),
        ("hasMark", "CaronMark"),
        ("hasMarkShape", "Caron"),
        ("markPosition", "Above"),
    }
    count = (
        prefix
        + "SELECT (COUNT(DISTINCT ?c) AS ?n) { ?c rdfs:subClassOf [ owl:onProperty :hasCase ] . ?c rdfs:comment ?t }"
    )
    (row,) = store.query(count)
    assert int(row["n"].value) == len(drawn_letters())
    # Everything that is used is declared as a class or a property.
    undeclared = prefix + (
        "SELECT ?x { { ?s rdfs:subClassOf ?x } UNION { ?s owl:someValuesFrom ?x } UNION { ?s owl:onProperty ?x } "
        "FILTER(isIRI(?x)) FILTER NOT EXISTS { ?x a ?type } }"
    )
    assert list(store.query(undeclared)) == []


def test_letters_with_one_mark_are_pairs_that_the_ontology_tells_too() -> None:
    from kgzsl.classifiers.compositional import Compositions
    from kgzsl.knowledge import ClassGraph

    data = datasets.load("latin_compositions", images_per_class=5, size=16)
    assert isinstance(data, datasets.ImageFeatures)
    assert (len(data.seen), len(data.unseen)) == (362, 60)
    own = Compositions.from_info(data.class_info, data.class_names)
    told = Compositions.from_graph(ClassGraph.read(str(data.graph_source)), data.class_names, ("hasMark", "has base"))
    assert own.pairs == told.pairs
    assert (len(own.attributes), len(own.objects)) == (27, 51)
    for problem in (data, data.validation_split()):
        # Each part of an unseen pair is part of a seen one.
        seen = set(problem.seen_names)
        pairs = dict(zip(own.classes, own.pairs, strict=True))
        for side in (0, 1):
            known = {pairs[name][side] for name in seen}
            assert {pairs[name][side] for name in problem.unseen_names} <= known
