"""Which classes a backbone was trained on: from a file, or from an installed package that ships the list."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kgzsl.errors import InputError, nearest
from kgzsl.knowledge.align import fold

__all__ = ["NAMED_LISTS", "LabelList", "read_labels"]

#: Label sets that packages ship -> the file that timm has of their wnids.
NAMED_LISTS = {
    "imagenet-1k": "imagenet_synsets.txt",
    "imagenet-12k": "imagenet12k_synsets.txt",
    "imagenet-22k": "imagenet22k_synsets.txt",
}
#: What a tag of timm says of the data: ``in22k_ft_in1k`` saw both.
_TAGS = {"in1k": "imagenet-1k", "in12k": "imagenet-12k", "in21k": "imagenet-22k", "in22k": "imagenet-22k"}
#: Families whose usual weights (torchvision's, and those behind the published ResNet-101 features) saw ImageNet-1k.
_FAMILIES = (
    *("alexnet", "convnext", "densenet", "efficientnet", "googlenet", "inception", "maxvit", "mnasnet", "mobilenet"),
    *("regnet", "resnet", "resnext", "shufflenet", "squeezenet", "swin", "vgg", "vit", "wide_resnet"),
)
_OPEN = re.compile(r"clip|siglip|align|dino|laion|openai|webli|datacomp|dfn\d|yfcc|jft|ig1b|lvd|florence|pali|seer|mae")
_WNID = re.compile(r"n\d{8}$")


@dataclass(frozen=True)
class LabelList:
    """The labels that a backbone was trained to tell apart.

    Args:
        name: What it is called.
        source: Where it comes from.
        size: How many labels.
        wnids: WordNet 3.0 ids.
        words: Folded words -> the label they stand for.
    """

    name: str
    source: str
    size: int
    wnids: frozenset[str]
    words: dict[str, str]

    def find(self, names: Iterable[str]) -> str | None:
        """The label that one of ``names`` (wnids or words) is, or ``None``."""
        for name in names:
            if name in self.wnids:
                return name
            label = self.words.get(fold(name))
            if label is not None:
                return label
        return None


def read_labels(source: str | Path) -> LabelList:
    """A list of labels.

    Args:
        source: A file with a label on each line (a wnid, words separated by commas, or a wnid and then words); a JSON
            list or object of labels; one of ``NAMED_LISTS``, taken from timm or torchvision where one is installed;
            or a backbone (``resnet101``, timm's ``vit_base_patch16_224.augreg_in21k_ft_in1k``): the lists that it was
            trained on.

    Raises:
        InputError: No such file, list or backbone, a backbone trained on free texts alone, no package that has the
        list, or an empty one.
    """
    name = str(source)
    path = Path(source)
    if path.is_file():
        return _parse(path.name, _lines(path), str(path))
    if name.lower() in NAMED_LISTS:
        return _shipped(name.lower())
    lists, beyond = _trained_on(name.lower())
    if lists:
        return _joined(name, [_shipped(one) for one in lists], beyond)
    if beyond:
        raise InputError(
            f"{name!r} was trained on images with free texts: which classes it saw is not known",
            remedy="take none of them for unseen; or give a file of labels to compare with",
        )
    close = nearest(name, NAMED_LISTS)
    hint = f"did you mean {close[0]!r}?" if close else f"give a file, a backbone, or one of {', '.join(NAMED_LISTS)}"
    raise InputError(f"{name!r} is no file, no known backbone and no known list of labels", remedy=hint)


def _trained_on(name: str) -> tuple[list[str], bool]:
    """(the lists that a backbone was trained on, whether on free texts too)."""
    family, _, tag = name.rpartition("/")[2].partition(".")
    beyond = _OPEN.search(name) is not None
    if tag:
        found = dict.fromkeys(
            _TAGS[token] for token in re.findall(r"in\d+k", tag.replace("inw", "in")) if token in _TAGS
        )
        return list(found), beyond
    return (["imagenet-1k"] if family.startswith(_FAMILIES) and not beyond else []), beyond


def _joined(name: str, lists: Sequence[LabelList], beyond: bool) -> LabelList:
    words: dict[str, str] = {}
    for one in lists:
        words = {**one.words, **words}
    source = " and ".join(f"{one.name}, {one.source}" for one in lists)
    source += ", and images with free texts" if beyond else ""
    # Labels of one list have wnids or words; the lists overlap, so only what is told apart is counted.
    wnids = frozenset().union(*(one.wnids for one in lists))
    return LabelList(name, source, max(len(wnids), *(one.size for one in lists)), wnids, words)


def _shipped(name: str) -> LabelList:
    timm = _folder("timm")
    if timm is not None:
        path = timm / "data" / "_info" / NAMED_LISTS[name]
        words = timm / "data" / "_info" / "imagenet_synset_to_lemma.txt"
        if path.is_file():
            wnids = _lines(path)
            lemmas = dict(line.split("\t", 1) for line in _lines(words) if "\t" in line) if words.is_file() else {}
            return _parse(name, [f"{wnid}\t{lemmas.get(wnid, '')}" for wnid in wnids], f"timm, {path.name}")
    vision = _folder("torchvision")
    if vision is not None and name == "imagenet-1k" and (vision / "models" / "_meta.py").is_file():
        # Read as text: importing it would load torch and its operators for a list of words.
        for node in ast.parse((vision / "models" / "_meta.py").read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and "_IMAGENET_CATEGORIES" in ast.unparse(node.targets[0]):
                return _parse(name, ast.literal_eval(node.value), "torchvision, models/_meta.py")
    raise InputError(
        f"no installed package ships the labels of {name}",
        remedy="pip install 'kgzsl[vision]', or give a file with one label (a wnid, or words) a line",
    )


def _folder(package: str) -> Path | None:
    found = importlib.util.find_spec(package)
    return None if found is None or not found.origin else Path(found.origin).parent


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError("the list of labels is no UTF-8 text", file=path, remedy="save it as UTF-8") from error
    if path.suffix == ".json":
        try:
            data = json.loads(text)
        except ValueError as error:
            raise InputError(f"this is no JSON ({error})", file=path, remedy="repair it") from error
        entries = data.values() if isinstance(data, dict) else data
        return ["\t".join(map(str, entry)) if isinstance(entry, list) else str(entry) for entry in entries]
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _parse(name: str, lines: Sequence[str], source: str) -> LabelList:
    wnids: set[str] = set()
    words: dict[str, str] = {}
    for line in lines:
        first, _, rest = line.partition("\t" if "\t" in line else " ")
        if _WNID.match(first.strip(",")):
            wnids.add(first.strip(","))
            label, text = first.strip(","), rest
        else:
            label, text = line, line
        for word in re.split(r"[,\t]", text):
            if word.strip():
                words.setdefault(fold(word.strip()), label)
    if not lines:
        raise InputError("the list of labels is empty", file=source, remedy="give one label a line")
    return LabelList(name, source, len(lines), frozenset(wnids), words)
