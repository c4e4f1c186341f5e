"""Explanations as one self-contained page."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from kgzsl.report.explanation_picture import PICTURE_STYLE, answer_of, explanation_picture, how_sure

__all__ = ["render_explanations"]

_STYLE = PICTURE_STYLE + "section .scroll{margin-bottom:20px} figure.why{min-width:640px;max-width:860px}"


def render_explanations(title: str, items: Sequence[tuple[str, Mapping[str, Any]]], version: str) -> str:
    """The page as text.

    Args:
        title: Over the page.
        items: What was asked, and what ``to_dict`` of its explanation gave.
        version: Of kgzsl.
    """
    css = (importlib.resources.files("kgzsl.report") / "page" / "page.css").read_text(encoding="utf-8")
    body = "".join(_item(item, told) for item, told in items)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{css}{_STYLE}</style></head><body>"
        f"<header><h1>{escape(title)}</h1></header><main>{body}</main>"
        f"<footer><p>kgzsl {escape(version)}</p></footer></body></html>\n"
    )


def _item(item: str, told: Mapping[str, Any]) -> str:
    parts = [f"<h2>{escape(item)}: {escape(answer_of(told))}</h2>"]
    kind = "seen in training" if told["is_seen"] else "never seen in training"
    doubt = f"; uncertainty {told['uncertainty']:.2f}" if "uncertainty" in told else ""
    chance = "" if told.get("confidence") is None else f", confidence {told['confidence']:.3f}"
    ranked = " The rank leaves other known tails out." if "rank" in told else ""
    parts.append(f"<p>{escape(how_sure(told))}{chance}{doubt}; {kind}.{ranked}</p>")
    if told["nearest_seen"]:
        parts.append(
            '<div class="scroll" tabindex="0" role="region" aria-label="The ways to like classes">'
            f'<figure class="why">{explanation_picture(item, told)}</figure></div>'
        )
    if told.get("runners_up"):
        parts.append(_table("Next answers", ("class", "probability"), [(n, f"{p:.0%}") for n, p in told["runners_up"]]))
    if told.get("axioms"):
        said = [(one["text"], one["kind"]) for one in told["axioms"]]
        parts.append(_table("What the ontology says about it", ("statement", "kind"), said))
    if told.get("entailed"):
        parts.append(
            _table("It follows, by the ontology, from", ("known facts",), [(one,) for one in told["entailed"]])
        )
    facts = [(" ".join(link["fact"]), _cosine(link["likeness"])) for link in told.get("links", ())]
    facts += [("; ".join(" ".join(fact) for fact in route), "over one other") for route in told.get("routes", ())]
    if facts:
        parts.append(_table("Known facts between the two", ("fact", "likeness of its relation"), facts))
    near = []
    for name, likeness in told["nearest_seen"]:
        path = told["paths"].get(name) or []
        way = path[0][0] + "".join(f" –{by}– {end}" for _, by, end in path) if path else ""
        near.append((name, f"{likeness:.2f}", ", ".join(told["shared"].get(name, ())), way))
    if near:
        parts.append(_table("Most alike, and why", ("seen", "cosine", "both have", "path in the graph"), near))
    if told["without"]:
        rows = [_moved(one) for one in told["without"]]
        headings = ("without", "which is", "now", "then", "score", "lead over the next", "answer then")
        parts.append(_table("If one statement were not there", headings, rows))
        ways = dict.fromkeys(one["how"] for one in told["without"] if one.get("how"))
        parts += [f"<p>An axiom is taken away thus: {escape(way)}.</p>" for way in ways]
    return "<section>" + "".join(parts) + "</section>"


def _cosine(likeness: float | None) -> str:
    return "" if likeness is None else f"{likeness:.2f}"


def _moved(one: Mapping[str, Any]) -> tuple[str, ...]:
    score, lead = (f"{pair[0]:.4g} → {pair[1]:.4g}" if pair else "" for pair in (one["scores"], one["leads"]))
    return one["removed"], str(one["kind"]), f"{one['before']:.3f}", f"{one['after']:.3f}", score, lead, one["answer"]


def _table(caption: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in headings)
    body = "".join(
        f'<tr><th scope="row">{escape(str(row[0]))}</th>'
        + "".join(f"<td>{escape(str(c))}</td>" for c in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table class="small">'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
