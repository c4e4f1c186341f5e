"""Text to class graph, beside a bare parse of the same bytes and beside rdflib; and how much memory it takes."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import IO, Any

from kgzsl.benchmarks.timing import Laps, interleaved
from kgzsl.errors import InputError
from kgzsl.knowledge.class_graph import ClassGraph
from kgzsl.knowledge.vocabulary import RDF_TYPE, RDFS, XSD

__all__ = ["measure_memory", "run", "write_triples"]

_EACH = 10
_CLASSES, _RELATIONS = 1000, 40
_RDFLIB_AT_MOST = 200_000
_RESOURCE, _ONTOLOGY = "http://example.org/resource/", "http://example.org/ontology/"
#: What the child process that measures memory runs: imports first, so that the rise is that of reading alone.
_CHILD = """
import json, resource, sys
import numpy, pyoxigraph
from kgzsl import ClassGraph
from kgzsl.knowledge import assembling, projection, readers
from kgzsl.knowledge.readers import ntriples, rdf, reading, source
def peak():
    try:
        # Unlike ru_maxrss, this does not begin with the peak of the process that started this one.
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
before = peak()
graph = ClassGraph.read(sys.argv[1], format=sys.argv[2])
rise = peak() - before
strings = sum(map(sys.getsizeof, (*graph.iris, *graph.relations, *graph.texts.strings)))
print(json.dumps({"rise": rise, "strings": strings, "triples": graph.provenance["counts"]["triples"]}))
"""


def run(
    device: str = "cpu",
    *,
    triples: int = 1_000_000,
    laps: int = 3,
    rdflib: bool = True,
    compressed: bool = False,
) -> dict[str, Any]:
    """Time :meth:`ClassGraph.read` on generated N-Triples.

    The triples come entity by entity, ten each: a type, a label, a number, and relations to other entities, some of
    which are far better known than others. The baseline is rdflib (on the first 200,000 triples, scaled: it takes time
    in proportion); the bare parse is pyoxigraph's, which makes every triple and drops it.

    Args:
        device: Taken for the sake of likeness; parsing runs on the processor.
        triples: How many.
        laps: Laps of each.
        rdflib: Whether to run rdflib.
        compressed: Whether the file is ``.nt.gz``; the bare parse then reads the uncompressed bytes.

    Returns:
        The report, see :func:`kgzsl.benchmarks.run`; ``over_bare`` is ours over the bare parse, ``memory`` the peak in
        bytes for a triple, beyond the distinct strings.

    Raises:
        InputError: Fewer than 100 triples.
    """
    import torch

    del device
    if triples < 100:
        raise InputError(f"triples={triples}", remedy="give 100 or more")
    with tempfile.TemporaryDirectory(prefix="kgzsl-bench-") as folder:
        path = Path(folder, "triples.nt")
        with path.open("wb") as file:
            write_triples(file, triples)
        part = Path(folder, "part.nt")
        part_size = min(triples, _RDFLIB_AT_MOST)
        with part.open("wb") as file:
            write_triples(file, part_size)
        source = _gzipped(path) if compressed else path
        checked = _check(part)
        work: dict[str, Callable[[], object]] = {"ours": lambda: ClassGraph.read(source), "bare": lambda: _bare(path)}
        taken = interleaved(work, laps, torch.device("cpu"), warm_up=0)
        theirs = interleaved({"rdflib": lambda: _rdflib(part)}, 1, torch.device("cpu"), 0) if rdflib else None
        memory = measure_memory(source)
        size = path.stat().st_size
    return _report(taken, theirs, triples / part_size, checked, memory, {"triples": triples, "bytes": size})


def _report(
    taken: dict[str, Laps],
    theirs: dict[str, Laps] | None,
    scale: float,
    checked: str,
    memory: dict[str, float],
    sizes: dict[str, int],
) -> dict[str, Any]:
    ours, bare = taken["ours"].median, taken["bare"].median
    baseline = None if theirs is None else theirs["rdflib"].median * scale
    return {
        "name": "import",
        "ours_s": ours,
        "baseline_s": baseline,
        "ratio": None if baseline is None else baseline / ours,
        "spread": taken["ours"].spread,
        "unit": f"processor seconds for {sizes['triples']:,} triples; the baseline is rdflib",
        "checked": checked,
        "bare_s": bare,
        "over_bare": ours / bare,
        "memory": memory,
        "wall_s": min(taken["ours"].wall),
        "sizes": sizes,
    }


def write_triples(file: IO[bytes], count: int, seed: int = 0) -> None:
    """Write ``count`` generated triples as N-Triples; equal arguments give equal bytes."""
    rng = Random(seed)
    entities = max(count // _EACH, 1)
    lines: list[str] = []
    for number in range(count):
        entity, place = divmod(number, _EACH)
        subject = f"<{_RESOURCE}Entity{entity}>"
        if place == 0:
            line = f"{subject} <{RDF_TYPE}> <{_ONTOLOGY}Class{rng.randrange(_CLASSES)}> .\n"
        elif place == 1:
            line = f'{subject} <{RDFS}label> "entity number {entity}, with a name of some length"@en .\n'
        elif place == 2:
            line = f'{subject} <{_ONTOLOGY}size> "{rng.randrange(1000)}"^^<{XSD}integer> .\n'
        else:
            relation, target = rng.randrange(_RELATIONS), int(entities * rng.random() ** 3)
            line = f"{subject} <{_ONTOLOGY}relation{relation}> <{_RESOURCE}Entity{target}> .\n"
        lines.append(line)
        if len(lines) == 10_000:
            file.write("".join(lines).encode())
            lines.clear()
    file.write("".join(lines).encode())


def measure_memory(source: Path, format: str = "n-triples") -> dict[str, float]:  # noqa: A002
    """Read ``source`` in a process of its own.

    Returns:
        ``peak_mb``, by how much the peak of resident memory rose over the start; ``strings_mb``, of it for the distinct
        strings of the graph; ``bytes_per_triple``, the rest for one triple.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _CHILD, str(source), format]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found = json.loads(done.stdout)
    rest = (found["rise"] - found["strings"]) / found["triples"]
    return {
        "peak_mb": found["rise"] / 2**20,
        "strings_mb": found["strings"] / 2**20,
        "bytes_per_triple": rest,
    }


def _gzipped(path: Path) -> Path:
    packed = path.with_name(path.name + ".gz")
    with path.open("rb") as plain, gzip.open(packed, "wb", compresslevel=1) as file:
        while data := plain.read(1 << 20):
            file.write(data)
    return packed


def _bare(path: Path) -> int:
    from pyoxigraph import RdfFormat, parse

    count = 0
    with path.open("rb") as file:
        for _ in parse(file, RdfFormat.N_TRIPLES):
            count += 1
    return count


def _rdflib(path: Path) -> int:
    from rdflib import Graph

    return len(Graph().parse(str(path), format="nt"))


def _check(path: Path) -> str:
    """Every triple of the file, as the parser gives it, is in the graph, and nothing else is."""
    from pyoxigraph import Literal, NamedNode, RdfFormat, parse

    graph = ClassGraph.read(path, projection="w3c")
    ours = {
        (graph.iris[s], graph.relations[k], graph.iris[o])
        for s, o, k in zip(*graph.edge_index.tolist(), graph.edge_type.tolist(), strict=True)
    }
    theirs = set()
    with path.open("rb") as file:
        for quad in parse(file, RdfFormat.N_TRIPLES):
            term: Any = quad.object
            if isinstance(term, Literal):
                header = f"@{term.language}" if term.language else term.datatype.value
                name = f"{header}\0{term.value}"
            else:
                assert isinstance(term, NamedNode)
                name = term.value
            theirs.add((quad.subject.value, quad.predicate.value, name))
    if ours != theirs:
        raise AssertionError(f"{len(ours ^ theirs)} triples differ from the parser's")
    return f"all {len(ours):,} distinct triples of a part are those of pyoxigraph's parser"
