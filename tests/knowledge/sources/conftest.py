"""A small WordNet in the format of the real one."""

from __future__ import annotations

from pathlib import Path

import pytest

LICENCE = """\
  1 This software and database is being provided to you, the LICENSEE, by
  2 Princeton University under the following license.
  3 WordNet {version} Copyright 2006 by Princeton University.  All rights reserved.
"""

#: offset, words (with lex_id), pointers, gloss; written in this order.
NOUNS = [
    ("00001740", ["entity 0"], [], "that which is perceived to have its own distinct existence"),
    (
        "02083346",
        ["canine 0", "canid 0"],
        ["@ 00001740 n 0000", "~ 02084071 n 0000"],
        "any of various fissiped mammals",
    ),
    (
        "02084071",
        ["dog 0", "domestic_dog 0", "Canis_familiaris 0"],
        ["@ 02083346 n 0000", "%p 02158846 n 0000", "#m 07994941 n 0000", "+ 01234567 v 0101"],
        'a member of the genus Canis; occurs in many breeds; "the dog barked all night"; "a dog\'s life"',
    ),
    ("02158846", ["flag 7"], ["@ 00001740 n 0000", "#p 02084071 n 0000"], "a conspicuously marked tail"),
    ("07994941", ["pack 0"], ["@ 00001740 n 0000", "%m 02084071 n 0000"], "a group of hunting animals"),
    ("09590495", ["Cerberus 0"], ["@i 02083346 n 0000"], "three-headed dog guarding the entrance to Hades"),
    ("10114209", ["dog 1"], ["@ 00001740 n 0000"], 'informal term for a man; "you lucky dog"'),
]


def write_wordnet(folder: Path, version: str = "3.0", shift: int = 0, nouns: list[tuple] = NOUNS) -> Path:  # type: ignore[type-arg]
    """``data.noun`` and ``index.noun`` with all offsets moved by ``shift``."""

    def moved(text: str) -> str:
        return " ".join(f"{int(t) + shift:08d}" if len(t) == 8 and t.isdigit() else t for t in text.split(" "))

    folder.mkdir(parents=True, exist_ok=True)
    data, senses = LICENCE.format(version=version), {}
    for offset, words, pointers, gloss in nouns:
        links = " ".join([f"{len(pointers):03d}", *map(moved, pointers)])
        data += f"{moved(offset)} 05 n {len(words):02x} {' '.join(words)} {links} | {gloss}  \n"
        for word in words:
            senses.setdefault(word.split()[0].lower(), []).append(moved(offset))
    index = LICENCE.format(version=version)
    for lemma in sorted(senses):
        offsets = senses[lemma]
        index += f"{lemma} n {len(offsets)} 2 @ ~ {len(offsets)} 0 {' '.join(offsets)}  \n"
    (folder / "data.noun").write_text(data, encoding="utf-8")
    (folder / "index.noun").write_text(index, encoding="utf-8")
    return folder


@pytest.fixture
def wordnet(tmp_path: Path) -> Path:
    return write_wordnet(tmp_path / "dict")
