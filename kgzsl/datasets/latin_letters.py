"""What the Unicode database says about Latin letters: base letter, case, marks and where they sit."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

__all__ = ["Letter", "Mark", "held_out_letters", "latin_letters"]

# Basic Latin to Latin Extended Additional: what the DejaVu faces draw. Names and decompositions of assigned characters
# never change (Unicode stability policy), so a newer database can add letters only outside of what is taken here.
_RANGES = ((0x0041, 0x024F), (0x0250, 0x02AF), (0x1E00, 0x1EFF), (0x2C60, 0x2C7F))
_NAME = re.compile(
    r"LATIN (?P<case>CAPITAL|SMALL) (?:LETTER|LIGATURE) (?P<form>DOTLESS )?(?P<base>[A-Z]|AE|OE|IJ)"
    r"(?: WITH (?P<marks>.+))?"
)
# Canonical combining classes of the marks that occur, as places (Unicode Standard, section 4.3).
_PLACES = {230: "above", 220: "below", 202: "attached below", 216: "attached above right"}
# Marks that Unicode does not take apart: they stand in the character names only.
_UNDECOMPOSED = {
    "stroke": "through",
    "hook": "attached",
    "curl": "attached below",
    "topbar": "above",
    "tail": "attached below",
    "swash tail": "attached below",
    "retroflex hook": "attached below",
}


@dataclass(frozen=True, order=True)
class Mark:
    """A mark on a letter.

    Args:
        name: As in the character names, in lower case: ``"caron"``, ``"dot below"``.
        shape: The name without its place: ``"dot"``.
        place: ``"above"``, ``"below"``, ``"attached below"``, ``"attached above right"``, ``"through"`` or
            ``"attached"``.
    """

    name: str
    shape: str
    place: str


@dataclass(frozen=True)
class Letter:
    """A Latin letter and what it is made of.

    Args:
        character: The letter itself, one code point.
        name: Its Unicode name in lower case: ``"latin small letter g with caron"``.
        case: ``"capital"`` or ``"small"``.
        bases: The letters of the alphabet in it, as capitals: ``("G",)``; two for a ligature: ``("A", "E")``.
        marks: Its marks, sorted.
        dotless: Whether the dot of its base is missing (dotless i and j).
    """

    character: str
    name: str
    case: str
    bases: tuple[str, ...]
    marks: tuple[Mark, ...]
    dotless: bool = False

    @property
    def codepoint(self) -> str:
        """``"U+01E7"``."""
        return f"U+{ord(self.character):04X}"

    @property
    def local_name(self) -> str:
        """The name as the end of an IRI: ``"LatinSmallLetterGWithCaron"``."""
        return self.name.title().replace(" ", "").replace("-", "")

    @property
    def is_ligature(self) -> bool:
        """Whether it joins two letters."""
        return len(self.bases) > 1


@cache
def latin_letters() -> tuple[Letter, ...]:
    """The letters A to Z, AE, OE and IJ in both cases, plain and with every mark that several letters have.

    Read from ``unicodedata``: marks, and where they sit, from the canonical decomposition; strokes, hooks and the like,
    which Unicode does not take apart, from the names. A letter with a mark that fewer than four letters have is left
    out, since nothing could be learnt about that mark from other letters. In order of code points.
    """
    found = [letter for start, end in _RANGES for code in range(start, end + 1) if (letter := _described(chr(code)))]
    while True:
        count: dict[Mark, int] = {}
        for letter in found:
            for mark in letter.marks:
                count[mark] = count.get(mark, 0) + 1
        kept = [letter for letter in found if all(count[mark] >= 4 for mark in letter.marks)]
        if len(kept) == len(found):
            return tuple(kept)
        found = kept


def _described(character: str) -> Letter | None:
    name = unicodedata.name(character, "")
    match = _NAME.fullmatch(name)
    if match is None or unicodedata.category(character) not in {"Lu", "Ll"}:
        return None
    marks = _marks(character, match["marks"])
    if marks is None:
        return None
    base = match["base"]
    return Letter(
        character=character,
        name=name.lower(),
        case=match["case"].lower(),
        bases=tuple(base) if base in {"AE", "OE", "IJ"} else (base,),
        marks=marks,
        dotless=match["form"] is not None,
    )


def _marks(character: str, named: str | None) -> tuple[Mark, ...] | None:
    """The marks of a letter, or None if one of them is not understood."""
    marks = []
    decomposed = unicodedata.normalize("NFD", character)
    for combining in decomposed[1:]:
        place = _PLACES.get(unicodedata.combining(combining))
        if place is None:
            return None
        name = unicodedata.name(combining).removeprefix("COMBINING ").lower()
        marks.append(Mark(name, name.removesuffix(" above").removesuffix(" below"), place))
    # What the name has beyond the decomposition: "o with stroke and acute" decomposes to "o with stroke", acute.
    rest = unicodedata.name(decomposed[0], "").partition(" WITH ")[2] if marks else named or ""
    for name in filter(None, rest.lower().split(" and ")):
        if name not in _UNDECOMPOSED:
            return None
        marks.append(Mark(name, name, _UNDECOMPOSED[name]))
    return tuple(sorted(marks))


def held_out_letters(letters: Sequence[Letter], count: int, *, salt: str = "unseen letters") -> tuple[str, ...]:
    """Names of about ``count`` letters to leave out of training, so that their parts stay known.

    Letters are held out in both cases together: where "g with caron" is never shown, "G with caron" is not either. Each
    held-out letter has a mark and exists in both cases; its base stays in at least three other letters of its case, and
    so does each of its marks. The choice depends on the names alone.

    Args:
        letters: Those to choose from.
        count: How many to hold out; one less where the count is odd.
        salt: Another word gives another choice.

    Returns:
        The names, in the order of ``letters``.
    """
    import hashlib

    groups: dict[tuple[tuple[str, ...], tuple[Mark, ...]], list[Letter]] = {}
    for letter in letters:
        if letter.marks and not letter.is_ligature and not letter.dotless:
            groups.setdefault((letter.bases, letter.marks), []).append(letter)

    def draw(key: tuple[tuple[str, ...], tuple[Mark, ...]]) -> str:
        text = f"{salt} {' '.join(key[0])} {' '.join(mark.name for mark in key[1])}"
        return hashlib.sha256(text.encode()).hexdigest()

    with_base: dict[tuple[str, str], int] = {}
    with_mark: dict[tuple[str, Mark], int] = {}
    for letter in letters:
        for base in letter.bases:
            with_base[letter.case, base] = with_base.get((letter.case, base), 0) + 1
        for mark in letter.marks:
            with_mark[letter.case, mark] = with_mark.get((letter.case, mark), 0) + 1
    held_out: set[str] = set()
    for key in sorted(groups, key=draw):
        members = groups[key]
        if len(held_out) + len(members) > count or len(members) < 2:
            continue
        bases_stay = all(with_base[letter.case, base] > 3 for letter in members for base in letter.bases)
        marks_stay = all(with_mark[letter.case, mark] > 3 for letter in members for mark in letter.marks)
        if not (bases_stay and marks_stay):
            continue
        for letter in members:
            held_out.add(letter.name)
            for base in letter.bases:
                with_base[letter.case, base] -= 1
            for mark in letter.marks:
                with_mark[letter.case, mark] -= 1
    return tuple(letter.name for letter in letters if letter.name in held_out)
