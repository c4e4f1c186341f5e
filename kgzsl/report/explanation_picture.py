"""An explanation as a picture: the way to each like class, and what single statements are worth; as SVG and PNG."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kgzsl.report.figures.svg import Canvas, number

__all__ = ["PICTURE_STYLE", "answer_of", "explanation_picture", "how_sure", "write_explanation_picture"]

PICTURE_STYLE = """
.chart{font:13px system-ui,sans-serif} .chart text{fill:currentColor} .chart .box{fill:none;stroke:currentColor}
.chart .answer{stroke-width:2.5} .chart .edge{stroke:currentColor;opacity:.55;fill:none}
.chart .head{fill:currentColor;opacity:.8} .chart .none{stroke-dasharray:5 4} .chart .small{font-size:11px}
.chart .title{font-weight:600} .chart .then{fill:currentColor;opacity:.75} .chart .was{fill:currentColor;opacity:.22}
"""

_WIDTH, _ROW = 860.0, 62.0
_ANSWER, _MIDDLE, _LIKE = (8.0, 178.0), (368.0, 532.0), (676.0, 852.0)
_SHARES = 420.0, 660.0


def how_sure(told: Mapping[str, Any]) -> str:
    """The probability of an answer; or its score and rank."""
    if "probability" in told:
        return f"{told['probability']:.0%}"
    return f"score {told['score']:.3f}, rank {told['rank']:g}"


def answer_of(told: Mapping[str, Any]) -> str:
    """What was answered, in words."""
    return str(told["predicted"]) if "predicted" in told else f"{told['head']} {told['relation']} {told['tail']}"


@dataclass
class _Drawing:
    """Shapes in px, y downwards; what either format is drawn from."""

    height: float
    boxes: list[tuple[float, float, float, float, bool]] = field(default_factory=list)
    edges: list[tuple[float, float, float, float, float, bool]] = field(default_factory=list)
    heads: list[tuple[float, float, int]] = field(default_factory=list)
    bars: list[tuple[float, float, float, float, bool]] = field(default_factory=list)
    texts: list[tuple[float, float, str, str, str]] = field(default_factory=list)

    def box(self, span: tuple[float, float], y: float, text: str, below: str = "", strong: bool = False) -> None:
        """A framed text, centred on ``y``."""
        self.boxes.append((span[0], y - 19, span[1] - span[0], 38, strong))
        middle = (span[0] + span[1]) / 2
        self.texts.append((middle, y - 2 if below else y + 5, _short(text, 22), "", "middle"))
        if below:
            self.texts.append((middle, y + 13, below, "small", "middle"))

    def edge(self, start: tuple[float, float], end: tuple[float, float], text: str, way: int, width: float) -> None:
        """From left to right; ``way`` is 1 where the relation leads that way, -1 against it, 0 where there is none."""
        self.edges.append((*start, *end, width, way == 0))
        if way:
            self.heads.append((end[0] - 1, end[1], 1) if way > 0 else (start[0] + 1, start[1], -1))
        room = end[0] - (start[0] + 60 if start[1] != end[1] else start[0])
        self.texts.append((end[0] - room / 2, end[1] - 6, _short(text, int(room / 6)), "small", "middle"))


def explanation_picture(item: str, told: Mapping[str, Any], *, alone: bool = False) -> str:
    """An SVG: the answer, the ways to the seen classes that are most alike, and what statements are worth.

    Args:
        item: What was asked about.
        told: What ``Explanation.to_dict`` (or ``CompletionExplanation.to_dict``) gave.
        alone: Make a file of its own out of it, with colours of its own.
    """
    drawing = _laid_out(told)
    answer = answer_of(told)
    key = f"why-{zlib.crc32(f'{item} {answer}'.encode()):x}"
    canvas = Canvas(key, _WIDTH, drawing.height, f"Why {item}: {answer}", _spoken(told))
    for x1, y1, x2, y2, width, dashed in drawing.edges:
        middle = x1 + 60
        bend = f"C{number(x1 + 35)} {number(y1)} {number(x1 + 25)} {number(y2)} {number(middle)} {number(y2)}"
        way = f"M{number(x1)} {number(y1)}{bend if y1 != y2 else ''}H{number(x2)}"
        css = "edge none" if dashed else "edge"
        canvas.add(f'<path class="{css}" stroke-width="{number(width)}" d="{way}"/>')
    for x, y, to in drawing.heads:
        points = f"M{number(x)} {number(y)}l{-8 * to} -5v10z"
        canvas.add(f'<path class="head" d="{points}"/>')
    for x, y, width, height, strong in drawing.boxes:
        css = "box answer" if strong else "box"
        size = f'width="{number(width)}" height="{number(height)}"'
        canvas.add(f'<rect class="{css}" x="{number(x)}" y="{number(y)}" {size} rx="4"/>')
    for x, y, width, height, then in drawing.bars:
        size = f'width="{number(width)}" height="{number(height)}"'
        canvas.add(f'<rect class="{"then" if then else "was"}" x="{number(x)}" y="{number(y)}" {size}/>')
    for x, y, text, css, anchor in drawing.texts:
        canvas.text(x, y, text, css, anchor=anchor)
    drawn = canvas.render()
    if not alone:
        return drawn
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{number(_WIDTH)}" height="{number(drawing.height)}"'
    drawn = drawn.replace("<svg", head, 1).replace("<title", f"<style>{PICTURE_STYLE}</style><title", 1)
    return drawn.replace("</desc>", '</desc><rect width="100%" height="100%" fill="#fff"/>', 1) + "\n"


def write_explanation_picture(path: Path, item: str, told: Mapping[str, Any]) -> None:
    """Write the picture, as the ending of ``path`` says: ``.svg``, or ``.png`` of twice its size; all or nothing.

    Raises:
        InputError: Another ending, or a place that cannot be written.
    """
    from kgzsl._files import atomic_file, atomic_text
    from kgzsl.errors import InputError

    if path.suffix == ".svg":
        atomic_text(path, explanation_picture(item, told, alone=True))
        return
    if path.suffix != ".png":
        raise InputError("a picture is written as SVG or PNG", file=path, remedy="name it .svg or .png")
    figure = _plotted(_laid_out(told))
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Title": f"Why {item}: {answer_of(told)}"})


def _plotted(drawing: _Drawing) -> Any:
    """The same shapes as a matplotlib figure."""
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon, Rectangle
    from matplotlib.path import Path as Line

    figure = Figure(figsize=(_WIDTH / 100, drawing.height / 100), dpi=200, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, _WIDTH), ylim=(drawing.height, 0))
    axes.set_axis_off()
    point = 0.72  # of a px of the drawing
    for x1, y1, x2, y2, width, dashed in drawing.edges:
        bend = [(x1, y1), (x1 + 35, y1), (x1 + 25, y2), (x1 + 60, y2), (x2, y2)]
        line = Line(bend, [Line.MOVETO, *3 * [Line.CURVE4], Line.LINETO])
        style = "--" if dashed else "-"
        axes.add_patch(PathPatch(line, fill=False, lw=width * point, ls=style, ec="0.45", capstyle="butt"))
    for x, y, way in drawing.heads:
        axes.add_patch(Polygon([(x, y), (x - 8 * way, y - 5), (x - 8 * way, y + 5)], fc="0.2"))
    for x, y, width, height, strong in drawing.boxes:
        line_width = (2.5 if strong else 1) * point
        style = "round,pad=0,rounding_size=4"
        axes.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=style, fill=False, ec="black", lw=line_width))
    for x, y, width, height, then in drawing.bars:
        axes.add_patch(Rectangle((x, y), width, height, fc="0.25" if then else "0.78"))
    for x, y, text, css, anchor in drawing.texts:
        side = {"start": "left", "middle": "center", "end": "right"}[anchor]
        size, weight = (11 if css == "small" else 13) * point, "bold" if css == "title" else "normal"
        axes.text(x, y, text, ha=side, va="baseline", size=size, weight=weight, parse_math=False)
    return figure


def _laid_out(told: Mapping[str, Any]) -> _Drawing:
    near = told["nearest_seen"]
    top = 36 + _ROW * max(len(near), 1)
    without = told.get("without") or ()
    drawing = _Drawing(top + (42 + 34 * len(without) if without else 0))
    middle = 36 + _ROW * (max(len(near), 1) - 1) / 2
    drawing.box(_ANSWER, middle, answer_of(told), how_sure(told), strong=True)
    for place, (name, likeness) in enumerate(near):
        y = 36 + _ROW * place
        steps = told["paths"].get(name) or []
        width = 1 + 4 * max(0.0, float(likeness))
        start, end = (_ANSWER[1], middle), (_LIKE[0], y)
        if len(steps) < 2:
            way = _way(steps[0][1]) if steps else ("no path in the graph", 0)
            drawing.edge(start, end, *way, width)
        else:
            between = " · ".join(str(step[2]) for step in steps[:-1])
            drawing.edge(start, (_MIDDLE[0], y), *_way(steps[0][1]), width)
            drawing.box(_MIDDLE, y, between)
            drawing.edge((_MIDDLE[1], y), end, *_way(steps[-1][1]), width)
        drawing.box(_LIKE, y, str(name), f"cosine {float(likeness):.2f}")
    if without:
        _statements(drawing, without, top + 14)
    return drawing


def _statements(drawing: _Drawing, without: Sequence[Mapping[str, Any]], y: float) -> None:
    """A bar for the lead, or the score, as it is; a dark one for what is left of it without the statement."""
    leads = all(one["leads"] for one in without)
    pairs = [tuple(one["leads"]) if leads else (one["before"], one["after"]) for one in without]
    what = "its lead over the next answer" if leads else "its score"
    drawing.texts.append(
        (_ANSWER[0], y, f"If one statement were not there: {what}, and what is left of it", "title", "start")
    )
    low, high = min(0.0, *(min(pair) for pair in pairs)), max(0.0, *(max(pair) for pair in pairs))
    scale = (_SHARES[1] - _SHARES[0]) / ((high - low) or 1.0)
    zero = _SHARES[0] - low * scale
    for one, (before, after) in zip(without, pairs, strict=True):
        y += 34
        drawing.texts.append((_SHARES[0] - 12, y + 4, _short(f"without {one['removed']}", 62), "small", "end"))
        for value, height, then in ((before, 20.0, False), (after, 10.0, True)):
            drawing.bars.append((zero + min(value, 0) * scale, y - height / 2, abs(value) * scale, height, then))
        told = f"{before:.3g} → {after:.3g}; then {one['answer']}"
        drawing.texts.append((_SHARES[1] + 12, y + 4, _short(told, 34), "small", "start"))


def _way(relation: str) -> tuple[str, int]:
    inverse = relation.startswith("inverse of ")
    return relation.removeprefix("inverse of "), -1 if inverse else 1


def _spoken(told: Mapping[str, Any]) -> str:
    """What a person who does not see the picture needs to know of it."""
    parts = []
    for name, likeness in told["nearest_seen"]:
        steps = told["paths"].get(name) or []
        way = steps[0][0] + "".join(f" {by} {end}" for _, by, end in steps) if steps else "no path in the graph"
        parts.append(f"like {name}, cosine {float(likeness):.2f}: {way}")
    parts += [f"without {one['removed']}: {one['before']:.3f} then {one['after']:.3f}" for one in told["without"]]
    return "; ".join([answer_of(told), *parts])


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
