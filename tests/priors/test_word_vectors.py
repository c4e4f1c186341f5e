import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgzsl import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.priors import PriorWarning, WordText
from kgzsl.priors.text import WordVectors

WORDS = {
    "zebra": [1.0, 0.5],
    "horse": [0.25, -2.0],
    "polar_bear": [3.0, 3.0],
    "striped": [0.0, 1.0],
    "Africa": [4.0, 0],
}


def text(words, header=False):
    lines = [f"{len(words)} 2"] if header else []
    return "\n".join([*lines, *(f"{word} {' '.join(map(str, row))}" for word, row in words.items())]) + "\n"


def binary(words, end=b"\n"):
    parts = [f"{len(words)} {len(next(iter(words.values())))}\n".encode()]
    for word, row in words.items():
        parts.append(word.encode() + b" " + np.array(row, dtype="<f4").tobytes() + end)
    return b"".join(parts)


def same(found, words=WORDS):
    assert found.words == tuple(words)
    assert np.array_equal(found.matrix, np.array(list(words.values()), dtype=np.float32))


def test_every_format_gives_the_same_vectors(tmp_path):
    files = {
        "glove.txt": text(WORDS).encode(),
        "w2v.txt": text(WORDS, header=True).encode(),
        "tabs.tsv": text(WORDS).replace(" ", "\t").encode(),
        "w2v.bin": binary(WORDS),
        "bare.bin": binary(WORDS, end=b""),
        "glove.txt.gz": gzip.compress(text(WORDS).encode()),
        "w2v.bin.gz": gzip.compress(binary(WORDS)),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        same(WordVectors.read(tmp_path / name))
    ClassPriors(tuple(WORDS), np.array(list(WORDS.values()))).save(tmp_path / "t.safetensors")
    import scipy.io

    scipy.io.savemat(tmp_path / "t.mat", {"vectors": np.array(list(WORDS.values())), "names": list(WORDS)})
    found = WordVectors.read(tmp_path / "t.mat")
    assert np.allclose(found.matrix, list(WORDS.values()))


def test_words_with_spaces_and_only_some_words(tmp_path):
    file = tmp_path / "g.txt"
    file.write_text("a 1 2 3\n. . . 4 5 6\nb 7 8 9\n")
    found = WordVectors.read(file)
    assert found.words == ("a", ". . .", "b")
    assert WordVectors.read(file, only=["B"]).words == ("b",)
    assert found.find("B") == 2
    assert found.find("c") == -1


@settings(deadline=None, max_examples=30)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters=" \t\r\n", exclude_categories=("C", "Z")), min_size=1),
        st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3),
        min_size=1,
        max_size=6,
    )
)
def test_what_was_written_is_read_again(tmp_path_factory, words):
    file = tmp_path_factory.mktemp("w") / "v.bin"
    file.write_bytes(binary(words))
    same(WordVectors.read(file), words)
    file = file.with_name("v.txt")
    file.write_text("".join(f"{w} {' '.join(repr(float(x)) for x in row)}\n" for w, row in words.items()), "utf-8")
    same(WordVectors.read(file, "glove"), words)


def test_damaged_files_name_the_place(tmp_path):
    cases = {
        "short.txt": (b"a 1 2\nb 1\n", "line 2"),
        "words.txt": (b"a 1 2\nb 1 x\n", "line 2"),
        "cut.bin": (binary(WORDS)[:-6], "word 5 of 5"),
        "no.bin": (b"zebra 1 2\n", "does not begin"),
        "empty.txt": (b"", "no word"),
        "latin.txt": (b"caf\xe9 1 2\n", "line 1"),
        "no.gz": (b"plain", "cannot be read"),
    }
    for name, (content, message) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message):
            WordVectors.read(tmp_path / name)
    with pytest.raises(InputError, match="No such file"):
        WordVectors.read(tmp_path / "missing.txt")
    (tmp_path / "g.txt").write_text(text(WORDS))
    with pytest.raises(InputError, match="none of the words"):
        WordVectors.read(tmp_path / "g.txt", only=["unicorn"])
    with pytest.raises(InputError, match="words dimensions"):
        WordVectors.read(tmp_path / "g.txt", "word2vec")


def test_a_class_is_the_mean_of_its_words_and_a_known_phrase_is_taken_whole(tmp_path):
    (tmp_path / "g.txt").write_text(text(WORDS))
    graph = ClassGraph.from_triples(
        [("z", "is", "a"), ("p", "is", "a"), ("u", "is", "a")],
        labels={"z": "striped zebra horse", "p": "Polar bear", "u": "unicorn"},
    )
    fitted = WordText(tmp_path / "g.txt").fit(graph)
    found = fitted.priors(["striped zebra horse", "Polar bear"])
    assert np.allclose(found.matrix, [[1.25 / 3, -0.5 / 3], [3, 3]])
    assert found.made["unknown_words"] == 2  # polar, bear
    with pytest.warns(PriorWarning, match="unicorn"):
        assert not fitted.priors(["unicorn"]).matrix.any()


def test_tfidf_weights_make_rare_words_count_more(tmp_path):
    (tmp_path / "g.txt").write_text(text(WORDS))
    texts = {"a": ["zebra horse"], "b": ["horse"], "c": ["horse striped"]}
    graph = ClassGraph.from_triples([(one, "is", "d") for one in "abc"], texts=texts)
    parts = ("definition",)
    plain, weighted = (
        WordText(tmp_path / "g.txt", parts=parts, weights=weights).fit(graph).priors(["a"]).matrix[0]
        for weights in ("mean", "tfidf")
    )
    assert np.allclose(plain, [0.625, -0.75])
    rare, common = np.log(5 / 2) + 1, np.log(5 / 4) + 1  # in one and in three of four texts
    assert np.allclose(weighted, (rare * np.array([1, 0.5]) + common * np.array([0.25, -2])) / (rare + common))
    for options in ({"weights": "no"}, {"parts": ()}):
        with pytest.raises(InputError):
            WordText("g.txt", **options)
