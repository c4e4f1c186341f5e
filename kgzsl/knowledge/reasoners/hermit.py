"""HermiT, the OWL 2 DL reasoner that owlready2 brings, in a Java process of its own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from kgzsl.errors import InputError
from kgzsl.knowledge.reasoners.taxonomy import Inferred
from kgzsl.knowledge.triples import Triples, split_literal
from kgzsl.knowledge.vocabulary import OWL, XSD

__all__ = ["java", "run_hermit"]

_RESULT = re.compile(r"^(\w+)\( ((?:<[^>]+>\s*)+)\)$", re.MULTILINE)
_BLANK = re.compile(r"[^A-Za-z0-9]")
_UNSAFE = set(' <>"{}|\\^`\n\r\t')


def java() -> str | None:
    """The Java program: of JAVA_HOME, else of the path; ``None`` where there is none."""
    home = os.environ.get("JAVA_HOME")
    if home and (program := shutil.which("java", path=str(Path(home, "bin")))):
        return program
    return shutil.which("java")


def run_hermit(triples: Triples, *, max_seconds: float, memory_mb: int = 2000) -> Inferred:
    """Classify an ontology and type its individuals.

    Args:
        triples: The ontology; imports are not followed, annotations and quoted triples are left out.
        max_seconds: Most seconds that it may take.
        memory_mb: Most memory of the Java process.

    Raises:
        InputError: No Java, no owlready2, an inconsistent ontology or one that HermiT refuses, or a budget exceeded.
    """
    program = java()
    if program is None:
        raise InputError(
            "reasoning hermit needs Java, and no java was found",
            remedy="install a Java runtime (or set JAVA_HOME), or use reasoning='el' or 'owl2rl'",
        )
    with tempfile.TemporaryDirectory(prefix="kgzsl-hermit-") as folder:
        source = Path(folder, "ontology.nt")
        _write(triples, source)
        command = [
            program,
            f"-Xmx{memory_mb}M",
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-cp",
            _classpath(),
            "org.semanticweb.HermiT.cli.CommandLine",
        ]
        command += ["-c", "-O", "-D", "-I", source.as_uri()]
        # A group of its own, so that nothing of it outlives the budget.
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True
        )
        try:
            output, _ = process.communicate(timeout=max_seconds)
        except subprocess.TimeoutExpired:
            raise InputError(
                f"reasoning hermit took longer than {max_seconds:g} seconds",
                remedy="raise max_seconds=, use reasoning='el' or 'rdfs', or leave reasoning out",
            ) from None
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
    text = output.decode("utf-8", errors="replace").replace("\r", "")
    if process.returncode:
        raise _explain(text)
    return _parse(text)


def _classpath() -> str:
    try:
        import owlready2
    except ImportError:
        raise InputError(
            "reasoning hermit needs owlready2, which brings HermiT", remedy="pip install owlready2"
        ) from None
    folder = Path(str(owlready2.__file__)).parent / "hermit"
    return os.pathsep.join([str(folder), str(folder / "HermiT.jar")])


def _explain(text: str) -> InputError:
    if "Inconsistent ontology" in text or "InconsistentOntologyException" in text:
        return InputError(
            "the ontology is inconsistent (HermiT): everything follows from it, so nothing is added",
            remedy="find the contradiction in Protégé (Explain inconsistent ontology), or leave reasoning out",
        )
    if "OutOfMemoryError" in text:
        return InputError("reasoning hermit ran out of memory", remedy="use reasoning='el' or 'rdfs'")
    said = next((line.strip() for line in text.splitlines() if "Exception" in line or "rror" in line), "it was killed")
    return InputError(
        f"reasoning hermit failed: {said[:300]}",
        remedy="HermiT takes OWL 2 DL only: use reasoning='el', 'owl2rl' or 'rdfs'",
    )


def _parse(text: str) -> Inferred:
    found = Inferred()
    nothing = OWL + "Nothing"
    for kind, listed in _RESULT.findall(text):
        names = re.findall(r"<([^>]+)>", listed)
        if kind == "SubClassOf" and names[0] != nothing:
            found.subclasses.append((names[0], names[1]))
        elif kind == "EquivalentClasses" and nothing in names:
            found.unsatisfiable += [name for name in names if name != nothing]
        elif kind == "EquivalentClasses":
            found.equivalents += [(names[0], other) for other in names[1:]]
        elif kind in ("SubObjectPropertyOf", "SubDataPropertyOf", "SubPropertyOf"):
            found.subproperties.append((names[0], names[1]))
        elif kind == "Type":
            found.types.append((names[0], names[1]))
    return found


def _write(triples: Triples, path: Path) -> None:
    """N-Triples without imports and without quoted triples."""
    terms = triples.terms
    imports = triples.predicate(OWL + "imports")
    keep = (triples.subjects < triples.first_literal) & (triples.objects < triples.first_quoted)
    keep &= triples.predicates != imports
    written: dict[int, str | None] = {}

    def term(number: int) -> str | None:
        if number not in written:
            written[number] = _term(terms[number], number, triples)
        return written[number]

    with path.open("w", encoding="utf-8") as file:
        for row in keep.nonzero()[0].tolist():
            columns = (triples.subjects[row], triples.predicates[row], triples.objects[row])
            parts = [term(int(number)) for number in columns]
            if None not in parts:
                file.write(f"{' '.join(map(str, parts))} .\n")


def _term(key: str, number: int, triples: Triples) -> str | None:
    """A term in N-Triples; ``None`` for an IRI that cannot be written."""
    if number < triples.num_iris:
        return None if _UNSAFE & set(key) or ":" not in key else f"<{key}>"
    if number < triples.first_literal:
        return "_:" + _BLANK.sub("", key)
    text, language, datatype = split_literal(key)
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    if language:
        return f'"{quoted}"@{language}'
    return f'"{quoted}"' if datatype in (None, XSD + "string") else f'"{quoted}"^^<{datatype}>'
