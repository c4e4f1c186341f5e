"""Explanations as one self-contained page, and as a picture."""

from __future__ import annotations

import importlib.resources
import zlib
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from kgzsl.report.figures.svg import Canvas, number

__all__ = ["explanation_picture", "render_explanations"]

_STYLE = """
.chart{font:13px system-ui,sans-serif} .chart text{fill:currentColor} .chart .box{fill:none;stroke:currentColor}
.chart .answer{stroke-width:2.5} .chart .edge{stroke:currentColor;opacity:.55;fill:none}
.chart .by{font-size:11px;paint-order:stroke;stroke:var(--paper,Canvas);stroke-width:5px}
section .scroll{margin-bottom:20px}
"""


def explanation_picture(item: str, told: Mapping[str, Any], *, alone: bool = False) -> str:
    """An SVG: the answer, the seen classes that are most alike, and the ways between them in the class graph.

    Args:
        item: What was asked about.
        told: What ``Explanation.to_dict`` (or ``CompletionExplanation.to_dict``) gave.
        alone: Make a file of its own out of it, with colours of its own.
    """
    answer = _answer(told)
    rows: list[tuple[str, float, str]] = []
    for name, likeness in told["nearest_seen"]:
        path = told["paths"].get(name) or []
        way = " · ".join(dict.fromkeys(step[1] for step in path)) if path else "no path in the graph"
        rows.append((str(name), float(likeness), way))
    height = max(90, 46 + 58 * len(rows))
    spoken = f"{answer}; like " + ", ".join(f"{name} (cosine {cosine:.2f}, {way})" for name, cosine, way in rows)
    canvas = Canvas(f"why-{zlib.crc32(f'{item} {answer}'.encode()):x}", 740, height, f"Why {item}: {answer}", spoken)
    middle = height / 2
    canvas.add(f'<rect class="box answer" x="8" y="{number(middle - 20)}" width="190" height="40" rx="4"/>')
    canvas.text(103, middle + 5, _short(answer, 26), anchor="middle")
    for place, (name, likeness, way) in enumerate(rows):
        y = 40 + 58 * place
        canvas.add(f'<rect class="box" x="540" y="{y - 16}" width="190" height="34" rx="4"/>')
        canvas.text(635, y + 5, _short(name, 26), anchor="middle")
        width = 1 + 4 * max(0.0, likeness)
        curve = f"M198 {number(middle)}C260 {number(middle)} 240 {y} 320 {y}H540"
        canvas.add(f'<path class="edge" stroke-width="{number(width)}" d="{curve}"/>')
        canvas.text(425, y + 4, _short(f"{way} ({likeness:.2f})", 40), "by", anchor="middle")
    drawn = canvas.render()
    if not alone:
        return drawn
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="740" height="{height}"'
    return drawn.replace("<svg", head, 1).replace("<title", f"<style>{_STYLE}</style><title", 1) + "\n"


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
    parts = [f"<h2>{escape(item)}: {escape(_answer(told))}</h2>"]
    kind = "seen in training" if told["is_seen"] else "never seen in training"
    sure = (
        f"{told['probability']:.0%}" if "probability" in told else f"score {told['score']:.3f}, rank {told['rank']:g}"
    )
    parts.append(f"<p>{escape(sure)}; {kind}.</p>")
    if told["nearest_seen"]:
        parts.append(f'<figure class="mid">{explanation_picture(item, told)}</figure>')
    if told.get("runners_up"):
        parts.append(_table("Next answers", ("class", "probability"), [(n, f"{p:.0%}") for n, p in told["runners_up"]]))
    if told.get("axioms"):
        said = [(one["text"], one["kind"]) for one in told["axioms"]]
        parts.append(_table("What the ontology says about it", ("statement", "kind"), said))
    facts = [(" ".join(link["fact"]), f"{link['likeness']:.2f}") for link in told.get("links", ())]
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


def _moved(one: Mapping[str, Any]) -> tuple[str, ...]:
    score, lead = (f"{pair[0]:.4g} → {pair[1]:.4g}" if pair else "" for pair in (one["scores"], one["leads"]))
    return one["removed"], str(one["kind"]), f"{one['before']:.3f}", f"{one['after']:.3f}", score, lead, one["answer"]


def _answer(told: Mapping[str, Any]) -> str:
    return str(told["predicted"]) if "predicted" in told else f"{told['head']} {told['relation']} {told['tail']}"


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


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
