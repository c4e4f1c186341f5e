"""From triples and a schema to candidate triples of a relation that training never showed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest


def test_run_folder_has_the_controls(countries) -> None:
    found = json.loads((countries.folder / "run" / "metrics.json").read_text())
    for name in ("kgc.mrr", "kgc.hits@1", "kgc.hits@3", "kgc.hits@5", "kgc.hits@10"):
        assert {name, f"control.chance.{name}", f"control.shuffled.{name}", f"control.link_overlap.{name}"} <= set(
            found
        )
    assert found["control.chance.kgc.mrr"] < 0.2 < found["kgc.mrr"]
    out = (countries.folder / "run.out").read_text()
    assert "link overlap" in out
    assert "chance" in out


def test_report_has_each_relation(countries) -> None:
    page = (countries.folder / "run" / "report.html").read_text()
    assert "Relation by relation" in page
    assert "1 relations, from the hardest to the easiest, over 24 queries" in page
    assert "8 seen and 1 unseen relations" in page


def test_predict_completes_heads(countries, tmp_path: Path) -> None:
    (tmp_path / "heads.csv").write_text("head,relation\ncountry3,capital\ncountry5,capital\n")
    out = tmp_path / "answers.csv"
    done = countries.kgzsl("predict", "run", tmp_path / "heads.csv", "--out", out, "--top", 3, "--json")
    assert json.loads(done.out) == {"task": "kg_completion", "queries": 2, "answers": str(out)}
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2", "3"] * 2
    assert {row["tail"] for row in rows[:3]} == {"city3_0", "city3_1", "city3_2"}
    scores = [float(row["score"]) for row in rows[:3]]
    assert scores == sorted(scores, reverse=True)


def test_predict_takes_one_relation_and_candidates_for_all(countries, tmp_path: Path) -> None:
    (tmp_path / "heads.txt").write_text("country3\n")
    arguments = ["predict", "run", tmp_path / "heads.txt", "--relation", "capital", "--candidates", "city3_1,city4_1"]
    (line,) = countries.kgzsl(*arguments).out.splitlines()
    assert [answer["tail"] for answer in json.loads(line)["answers"]] == ["city3_1", "city4_1"]


def test_complete_proposes_with_reasons_and_takes_what_came_since(countries, tmp_path: Path, refused) -> None:
    out = tmp_path / "new.nt"
    done = countries.kgzsl("complete", "run", "--relation", "capital", "--head", "country3", "--top", 3, "--out", out)
    assert done.code == 0, done.err
    assert "city3_0" in out.read_text()
    assert "heads were asked" not in done.out
    done = countries.kgzsl("complete", "run", "-r", "capital", "--head", "country3", "--top", 3, "--json")
    proposed = json.loads(done.out)["proposals"]
    assert {one["tail"] for one in proposed} == {"city3_0", "city3_1", "city3_2"}
    best = next(one for one in proposed if one["tail"] == "city3_0")
    assert {"hasCity", "largestCity"} <= {link["relation"] for link in best["reasons"]["links"]}
    (tmp_path / "facts.tsv").write_text("atlantis\thasCity\tposeidonis\natlantis\tlargestCity\tposeidonis\n")
    arguments = ["complete", "run", "-r", "capital", "--head", "atlantis", "--facts", tmp_path / "facts.tsv", "--json"]
    told = json.loads(countries.kgzsl(*arguments).out)
    assert told["facts"]["entities"] == ["atlantis", "poseidonis"]
    assert told["proposals"][0]["tail"] == "poseidonis"
    refused(countries.kgzsl("complete", "run", "-r", "capital", "--min-confidence", 0.5), "no calibration for capital")


def test_predict_names_what_it_does_not_know(countries, tmp_path: Path, refused) -> None:
    (tmp_path / "heads.csv").write_text("country3,capital\ncountri4,capital\n")
    out = tmp_path / "a.csv"
    done = countries.kgzsl("predict", "run", tmp_path / "heads.csv", "--out", out)
    refused(done, "heads.csv", "query 2", "countri4", "country4", absent=out)
    (tmp_path / "heads.csv").write_text("country3,capitol\n")
    refused(countries.kgzsl("predict", "run", tmp_path / "heads.csv", "--out", out), "capitol", "capital", absent=out)
    (tmp_path / "heads.csv").write_text("country3\n")
    refused(countries.kgzsl("predict", "run", tmp_path / "heads.csv"), "'country3' has no relation", "--relation")


def test_explain_names_like_relations_known_facts_and_what_if(countries, tmp_path: Path) -> None:
    (tmp_path / "q.tsv").write_text("country0\tcapital\n")
    arguments = [
        "explain",
        "run",
        tmp_path / "q.tsv",
        "--tail",
        "city0_0",
        "--without",
        2,
        "--html",
        tmp_path / "w.html",
    ]
    done = countries.kgzsl(*arguments, "--picture", tmp_path / "w.svg", "--json")
    assert done.code == 0, done.err
    (told,) = json.loads(done.out)["explanations"]
    assert (told["head"], told["relation"], told["tail"], told["is_seen"]) == ("country0", "capital", "city0_0", False)
    assert {tuple(link["fact"]) for link in told["links"]} == {
        ("country0", "hasCity", "city0_0"),
        ("country0", "largestCity", "city0_0"),
    }
    assert {"largestCity", "port"} & {name for name, _ in told["nearest_seen"]}  # they are cities of countries too
    assert told["without"]
    assert all(one["before"] == pytest.approx(told["score"], abs=1e-6) for one in told["without"])
    assert any(one["after"] != pytest.approx(one["before"], abs=1e-9) for one in told["without"])
    page = (tmp_path / "w.html").read_text()
    assert "country0 largestCity city0_0" in page
    assert "If one statement were not there" in page
    assert (tmp_path / "w.svg").read_text().startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    best = countries.kgzsl("explain", "run", tmp_path / "q.tsv")
    assert "no triple of it in training" in best.out


def test_explain_refuses_what_it_does_not_know(countries, tmp_path: Path, refused) -> None:
    (tmp_path / "q.tsv").write_text("country0\tcapital\n")
    refused(countries.kgzsl("explain", "run", tmp_path / "q.tsv", "--tail", "city0"), "city0")
    refused(countries.kgzsl("explain", "run", tmp_path / "q.tsv", "--picture", tmp_path / "w.gif"), "SVG")
    refused(countries.kgzsl("explain", "run", tmp_path / "q.tsv", "--row", 3), "no row 3")
