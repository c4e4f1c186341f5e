"""``kgzsl complete`` on ordinary RDF: rdf:type decides what domain, range and disjointness refuse, at both ends."""

from __future__ import annotations

import json

import pytest

W = "http://example.org/world#"
PREFIXES = f"""@prefix : <{W}> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
"""
SCHEMA = (
    PREFIXES
    + """:Place a owl:Class . :Language a owl:Class . :Person a owl:Class ; owl:disjointWith :Place .
:Country a owl:Class ; rdfs:subClassOf :Place . :City a owl:Class ; rdfs:subClassOf :Place .
:hasCity a owl:ObjectProperty ; rdfs:domain :Country ; rdfs:range :City ; rdfs:label "has city" .
:liesIn a owl:ObjectProperty ; owl:inverseOf :hasCity ; rdfs:domain :City ; rdfs:range :Country .
:largestCity a owl:ObjectProperty ; rdfs:subPropertyOf :hasCity ; rdfs:domain :Country ; rdfs:range :City ;
  rdfs:label "biggest town" .
:port a owl:ObjectProperty ; rdfs:subPropertyOf :hasCity ; rdfs:domain :Country ; rdfs:range :City .
:capital a owl:ObjectProperty ; rdfs:subPropertyOf :hasCity ; rdfs:domain :Country ; rdfs:range :City .
:speaks a owl:ObjectProperty ; rdfs:domain :Country ; rdfs:range :Language .
:bornIn a owl:ObjectProperty ; rdfs:domain :Person ; rdfs:range :Place .
:president a owl:ObjectProperty ; rdfs:domain :Country ; rdfs:range :Person .
:seat a owl:ObjectProperty ; rdfs:subPropertyOf :hasCity ; rdfs:domain :Country ; rdfs:range :City .
"""
)
RANKER = {"name": "evidence", "folds": 3, "queries": 6, "corrupted": 8, "steps": 30, "hidden": 4, "dim": 4}


def world(kinds: bool = True) -> str:
    lines = [PREFIXES]
    for i in range(10):
        land, city, two, person = f":country{i}", f":city{i}a", f":city{i}b", f":person{i}"
        lines += [f"{land} :hasCity {city}, {two} ; :largestCity {city} ; :port {two} ; :speaks :lang{i % 4} ."]
        lines += [f"{city} :liesIn {land} . {two} :liesIn {land} . {person} :bornIn {two} ."]
        lines += [f"{land} :president {person} ; :capital {city} ."]
        if kinds:
            lines += [f"{land} a :Country . {city} a :City . {two} a :City, :Harbour . {person} a :Person ."]
    if kinds:
        lines += [f":lang{i} a :Language ." for i in range(4)]
        # Against the schema: a person is no city.
        lines += [":country3 :largestCity :person4 ."]
    return "\n".join(lines)


def recipe(folder, **changes):
    content = {
        "task": "kg_completion",
        "dataset": {"name": str(folder / "facts.ttl"), "unseen_relations": ["capital"]},
        "graph": {"source": str(folder / "schema.ttl")},
        "priors": [{"name": "text"}, {"name": "attributes", "generalise": True}],
        "generator": None,
        "ranker": RANKER,
        "controls": ["chance"],
        "protocol": {"seeds": 1, "validation": "none"},
        "train": {"device": "cpu"},
    }
    (folder / "recipe.yaml").write_text(json.dumps({**content, **changes}))
    return folder / "recipe.yaml"


def write(folder, facts: str, schema: str = SCHEMA):
    (folder / "facts.ttl").write_text(facts)
    (folder / "schema.ttl").write_text(schema)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from kgzsl.cli.app import run as run_cli

    folder = write(tmp_path_factory.mktemp("world"), world())
    assert run_cli(["run", str(recipe(folder)), "--out", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


def asked(kgzsl, run, *more, relation="capital"):
    done = kgzsl("complete", run, "--relation", relation, *more, "--json", "--no-why")
    assert done.code == 0, done.err
    return json.loads(done.out)


def told(kgzsl, run, *more, relation="capital"):
    done = kgzsl("complete", run, "--relation", relation, *more, "--no-why")
    assert done.code == 0, done.err
    return done


def test_rdf_types_refuse_what_the_schema_speaks_against(kgzsl, run):
    found = asked(kgzsl, run, "--head", f"{W}country3", "--top", 60)
    # All cities, of which half are harbours too, a class that the schema does not know.
    assert {one["tail"] for one in found["proposals"]} == {f"{W}city{i}{ab}" for i in range(10) for ab in "ab"}
    assert found["refused"] == {"disjoint": 10, "range": 14}
    every = asked(kgzsl, run, "--head", f"{W}country3", "--top", 60, "--keep-violations")
    assert len(every["proposals"]) == 44


def test_facts_against_the_schema_are_told_by_the_run(run):
    warnings = json.loads((run / "result.json").read_text())["warnings"]
    assert any("1 training triples have an end whose class is disjoint" in line for line in warnings)


def test_a_given_end_of_the_wrong_kind_is_refused_and_told(kgzsl, run):
    found = asked(kgzsl, run, "--head", f"{W}person3", "--head", f"{W}lang1")
    assert found["proposals"] == []
    assert (found["refused"]["disjoint"], found["refused"]["domain"]) == (1, 1)
    line = told(kgzsl, run, "--head", f"{W}lang1").err
    assert f"# of the wrong kind for a head of {W}capital, which is outside the domain: {W}lang1; nothing" in line
    assert "# refused: 1 by domain" in line
    tails = asked(kgzsl, run, "--tail", f"{W}person3", "--tail", f"{W}city3a", "--top", 2)
    assert {one["tail"] for one in tails["proposals"]} == {f"{W}city3a"}
    assert tails["refused"]["disjoint"] >= 1
    kept = asked(kgzsl, run, "--head", f"{W}lang1", "--keep-violations", "--top", 2)
    assert len(kept["proposals"]) == 2
    assert kept["refused"]["domain"] == 1


def test_classes_in_new_facts_count(kgzsl, run, tmp_path):
    new = tmp_path / "new.ttl"
    given = ("--head", f"{W}country3", "--top", 60)
    new.write_text(PREFIXES + ":newguy :bornIn :city3a . :newtown :liesIn :country3 .")
    tails = {one["tail"] for one in asked(kgzsl, run, *given, "--facts", new)["proposals"]}
    assert {f"{W}newguy", f"{W}newtown"} <= tails  # of which nothing says what they are
    new.write_text(new.read_text() + ":newguy a :Person . :newtown a :City . :country3 a :Person .")
    done = told(kgzsl, run, *given, "--facts", new)
    assert "classes are told of 3 entities; 2 more have one that the schema knows" in done.err
    assert "of the wrong kind for a head" in done.err  # countries are places, and country3 is a person too now
    new.write_text(new.read_text().replace(":country3 a :Person .", ":village :liesIn :country3 ; a :Village ."))
    more = tmp_path / "more.ttl"
    more.write_text(PREFIXES + ":Village a owl:Class ; rdfs:subClassOf :City .")
    found = asked(kgzsl, run, *given, "--facts", new, "--schema", more)
    tails = {one["tail"] for one in found["proposals"]}
    assert f"{W}newguy" not in tails
    assert {f"{W}newtown", f"{W}village"} <= tails
    assert found["refused"]["disjoint"] == 11


def test_a_file_of_nothing_but_classes_is_taken(kgzsl, run, tmp_path):
    new = tmp_path / "new.ttl"
    new.write_text(PREFIXES + ":lang1 a :City .")
    tails = {
        one["tail"] for one in asked(kgzsl, run, "--head", f"{W}country3", "--top", 60, "--facts", new)["proposals"]
    }
    assert f"{W}lang1" in tails
    assert f"{W}lang2" not in tails


@pytest.mark.parametrize("name", ["largestCity", "biggest town", "Biggest Town"])
def test_a_relation_by_its_local_name_or_label_is_that_of_the_run(kgzsl, run, name):
    done = told(kgzsl, run, "--head", "country5", "--top", 60, relation=name)
    rows = [line.split("\t") for line in done.out.splitlines()[1:]]
    assert {row[1] for row in rows} == {f"{W}largestCity"}
    assert {row[0] for row in rows} == {f"{W}country5"}
    assert f"{W}city5a" not in {row[2] for row in rows}  # which is a fact
    assert f"# {name} is {W}largestCity" in done.err


def test_predict_and_explain_take_such_names_too(kgzsl, run, tmp_path):
    (tmp_path / "asked.tsv").write_text("country5\tbiggest town\ncountry5\tcapital\n")
    done = kgzsl("predict", run, tmp_path / "asked.tsv", "--top", 3)
    assert done.code == 0, done.err
    first, second = (json.loads(line) for line in done.out.splitlines())
    assert first["relation"] == f"{W}largestCity"
    assert second["relation"] == f"{W}capital"
    assert "country5" not in done.err
    assert kgzsl("explain", run, tmp_path / "asked.tsv").code == 0


def test_a_tail_beside_the_question_is_the_one_that_is_explained(kgzsl, run, tmp_path):
    def explained(*more):
        done = kgzsl("explain", run, tmp_path / "asked.tsv", *more, "--json")
        assert done.code == 0, done.err
        return [one["tail"].removeprefix(W) for one in json.loads(done.out)["explanations"]]

    asked = tmp_path / "asked.tsv"
    asked.write_text("country5\tcapital\tcity7b\ncountry5\tcapital\tcity8b\n")
    assert explained() == ["city7b", "city8b"]
    assert explained("--tail", "city1a") == ["city1a", "city1a"]
    # What complete and predict wrote can be asked about.
    asked.write_text("head\trelation\trank\ttail\ncountry5\tcapital\t1\tcity7b\n")
    assert explained() == ["city7b"]
    asked.write_text("head\trelation\trank\ncountry5\tcapital\t1\n")
    assert len(explained()) == 1
    asked.write_text("country5\tcapital\tnowhere\n")
    kgzsl("explain", run, asked).refused("asked.tsv, query 1", "no entity is called 'nowhere'")


def test_options_that_would_do_nothing_are_refused(kgzsl, run, tmp_path):
    asked = tmp_path / "asked.tsv"
    asked.write_text("country5\tcapital\n")
    for command in ("predict", "explain"):
        kgzsl(command, run, asked, "--relation", "speaks").refused(
            "query 1: the relation is 'capital' here", "'speaks'"
        )
        assert kgzsl(command, run, asked, "--relation", "capital").code == 0
    kgzsl("explain", run, asked, "--candidates", "unseen").refused("--candidates is for runs over images")


def test_an_entity_by_a_local_name_in_facts_is_a_new_one_and_that_is_told(kgzsl, run, tmp_path):
    new = tmp_path / "new.tsv"
    new.write_text("country5\thasCity\tnewtown\n")
    line = "# country5 in the facts is new, and not what the run has under an IRI that ends so"
    assert line in told(kgzsl, run, "--head", "country5", "--facts", new).err
    new.write_text(f"{W}country5\thasCity\tnewtown\n")
    assert "under an IRI" not in told(kgzsl, run, "--head", "country5", "--facts", new).err


def test_what_is_no_property_is_no_relation(kgzsl, run):
    for name in ("Country", f"{W}Country"):
        kgzsl("complete", run, "-r", name, "--head", "country5").refused("is a class of the schema", "no relation")
    kgzsl("complete", run, "-r", "http://elsewhere.org/#capital", "--head", "country5").refused("no relation is called")


def test_a_property_of_literals_that_only_the_schema_has_is_refused(kgzsl, run, tmp_path):
    schema = tmp_path / "more.ttl"
    schema.write_text(f"<{W}population> a <http://www.w3.org/2002/07/owl#DatatypeProperty> .\n")
    done = kgzsl("complete", run, "-r", "population", "--head", "country5", "--schema", schema)
    done.refused("'population' is a datatype property of the schema: its values are literals, and nothing can be")


def test_a_relation_that_only_the_schema_has_is_for_complete(kgzsl, run, tmp_path):
    asked = tmp_path / "asked.tsv"
    asked.write_text(f"{W}country5\tseat\n")
    for command in ("predict", "explain"):
        done = kgzsl(command, run, asked)
        done.refused(
            "query 1: no fact of the run uses the relation 'seat', which only", "kgzsl complete RUN --relation seat"
        )
    asked.write_text(f"{W}country5\tseet\n")
    for command in ("predict", "explain"):
        kgzsl(command, run, asked).refused("query 1", "no relation is called 'seet'")


def test_a_new_relation_of_the_schema_has_its_iri(kgzsl, run, tmp_path):
    out = tmp_path / "new.nt"
    done = kgzsl("complete", run, "-r", "seat", "--head", "country5", "--top", 3, "-o", out)
    assert done.code == 0, done.err
    assert f"> <{W}seat> ." in out.read_text()
    assert "urn:kgzsl:name" not in out.read_text()
    assert asked(kgzsl, run, "--head", "country5", relation="seat")["relation"] == f"{W}seat"


def test_relations_in_new_facts_are_those_of_the_run(kgzsl, run, tmp_path):
    new = tmp_path / "new.tsv"
    new.write_text(f"{W}country5\tlargestCity\t{W}city6a\n{W}country5\trdf:type\t{W}Country\n")
    found = asked(kgzsl, run, "--head", "country5", "--facts", new, "--top", 60, relation="largestCity")
    assert found["facts"]["relations"] == []
    assert f"{W}city6a" not in {one["tail"] for one in found["proposals"]}
    assert any("largestCity in the facts is" in line for line in found["facts"]["notes"])


def test_where_nothing_is_known_of_kinds_it_is_said(kgzsl, tmp_path):
    write(tmp_path, world(kinds=False))
    quick = recipe(tmp_path, ranker={**RANKER, "calibrate": False, "steps": 2})
    assert kgzsl("run", quick, "--out", tmp_path / "run", "--quiet").code == 0
    line = "# no entity's class is known: domain, range and disjointness refuse nothing"
    assert line in told(kgzsl, tmp_path / "run", "--head", "country3", "--top", 2).err
    (tmp_path / "new.ttl").write_text(PREFIXES + ":person4 a :Person .")
    assert line not in told(kgzsl, tmp_path / "run", "--head", "country3", "--facts", tmp_path / "new.ttl").err


def test_packed_facts_keep_their_classes(kgzsl, run, tmp_path):
    done = kgzsl("pack", run.parent / "facts.ttl", "-o", tmp_path / "kg", "--unseen-relations", "capital")
    assert done.code == 0, done.err
    from kgzsl import datasets

    kg, own = datasets.load(tmp_path / "kg"), datasets.load(run.parent / "facts.ttl", unseen_relations=["capital"])
    assert kg.types == own.types
    assert kg.types[f"{W}city3b"] == (f"{W}City", f"{W}Harbour")


def test_a_relation_that_the_schema_lacks_stops_no_run(kgzsl, tmp_path):
    write(
        tmp_path,
        world(),
        SCHEMA.replace(":speaks a owl:ObjectProperty ; rdfs:domain :Country ; rdfs:range :Language .", ""),
    )
    quick = recipe(tmp_path, ranker={**RANKER, "calibrate": False, "steps": 2})
    done = kgzsl("run", quick, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert f"1 of 8 relations are not in the schema: they are like themselves and nothing else: {W}speaks" in done.out
    from kgzsl.knowledge import ClassPriors

    rows = ClassPriors.load(tmp_path / "run" / "priors.safetensors")
    cosines = rows.matrix @ rows[f"{W}speaks"]
    assert sorted(cosines.tolist()) == [0] * 7 + [1]
    # A relation that the schema learns of afterwards still gets its vector from what made the others.
    done = told(kgzsl, tmp_path / "run", "--head", "country5", "--top", 2, relation="seat")
    assert "nothing says what" not in done.err


def test_new_facts_against_the_schema_are_named(run, kgzsl, tmp_path):
    (tmp_path / "new.ttl").write_text(PREFIXES + ":country1 :largestCity :person2 . :country2 :hasCity :city9b .")
    command = ("complete", run, "-r", "capital", "--head", f"{W}country1", "--facts", tmp_path / "new.ttl", "--top", 1)
    done = kgzsl(*command)
    assert done.code == 0, done.err
    assert (
        "1 of the new facts have an end whose class is disjoint with the relation's domain or range; they are kept: "
        f"{W}country1 {W}largestCity {W}person2\n"
    ) in done.err
    # That of the run itself was told by the run.
    assert "person4" not in done.err
    told = json.loads(kgzsl(*command, "--json").out)["facts"]
    assert sum("of the new facts" in note for note in told["notes"]) == 1
