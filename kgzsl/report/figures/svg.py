"""Drawing by hand: small SVG that takes its colours from the page, so that it follows light, dark and print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

__all__ = ["Axes", "Canvas", "Figure", "number", "ticks"]


def number(value: float) -> str:
    """A coordinate with at most two decimals and no trailing zeros.

    >>> number(3.14159), number(2.0), number(-0.001)
    ('3.14', '2', '0')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """At most about ``count`` round values inside [low, high].

    >>> ticks(0.0, 1.0, 5)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    >>> ticks(0.0, 97.0, 4)
    [0.0, 20.0, 40.0, 60.0, 80.0]
    """
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    rough = span / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.99)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) + 0.0 for index in range(first, last + 1)]


@dataclass(frozen=True)
class Figure:
    """A drawing for the page.

    Args:
        key: Its id on the page.
        title: What it shows.
        svg: The drawing, with its own title and description inside.
        caption: How to read it.
        wide: Whether it needs the whole width of the page.
    """

    key: str
    title: str
    svg: str
    caption: str = ""
    wide: bool = False


class Canvas:
    """Collects the elements of one SVG image.

    Args:
        key: Makes the ids of title and description unique on the page.
        width: Of the view box, in px.
        height: Of the view box, in px.
        title: The accessible name.
        description: What a person who does not see the image needs to know of it.
    """

    def __init__(self, key: str, width: float, height: float, title: str, description: str) -> None:
        self.key = key
        self.width, self.height = width, height
        self.title, self.description = title, description
        self.parts: list[str] = []

    def add(self, element: str) -> None:
        """Add an element as it stands; the caller has escaped its texts."""
        self.parts.append(element)

    def line(self, x1: float, y1: float, x2: float, y2: float, css: str) -> None:
        """A straight line."""
        self.add(f'<line class="{css}" x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}"/>')

    def path(self, points: Sequence[tuple[float, float]], css: str, extra: str = "") -> None:
        """A line through ``points``."""
        if points:
            steps = "L".join(f"{number(x)} {number(y)}" for x, y in points)
            self.add(f'<path class="{css}" d="M{steps}"{extra}/>')

    def dots(self, points: Sequence[tuple[float, float]], css: str) -> None:
        """Many dots in one element: zero-length strokes with round ends."""
        if points:
            self.add(f'<path class="{css}" d="{"".join(f"M{number(x)} {number(y)}h0" for x, y in points)}"/>')

    def text(self, x: float, y: float, text: str, css: str = "", anchor: str = "start", extra: str = "") -> None:
        """One line of text; escaped here."""
        style = f' class="{css}"' if css else ""
        where = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self.add(f'<text{style} x="{number(x)}" y="{number(y)}"{where}{extra}>{escape(text)}</text>')

    def render(self, css: str = "", most: float | None = None) -> str:
        """The whole image, at most ``most`` px wide on the page."""
        name = f"{self.key}-t {self.key}-d"
        style = "" if most is None else f' style="max-width:{number(most)}px"'
        return (
            f'<svg class="{" ".join(("chart", css)).strip()}" viewBox="0 0 {number(self.width)} {number(self.height)}" '
            f'role="img"{style} aria-labelledby="{name}"><title id="{self.key}-t">{escape(self.title)}</title>'
            f'<desc id="{self.key}-d">{escape(self.description)}</desc>{"".join(self.parts)}</svg>'
        )


@dataclass
class Axes:
    """A plotting rectangle on a canvas.

    Args:
        canvas: Where it is drawn.
        xlim: The values at the left and right edge.
        ylim: The values at the bottom and top edge.
        left: Margins in px, likewise ``right``, ``top``, ``bottom``.
        grid: Whether ticks, grid and labels are drawn.
    """

    canvas: Canvas
    xlim: tuple[float, float]
    ylim: tuple[float, float]
    left: float = 46
    right: float = 14
    top: float = 12
    bottom: float = 38
    grid: bool = True
    xlabel: str = ""
    ylabel: str = ""
    _box: tuple[float, float, float, float] = field(init=False, repr=False, default=(0, 0, 0, 0))

    def __post_init__(self) -> None:
        self.xlim, self.ylim = _widened(*self.xlim), _widened(*self.ylim)
        width, height = self.canvas.width, self.canvas.height
        self._box = (self.left, self.top, width - self.right, height - self.bottom)
        if self.grid:
            self._draw()

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Data coordinates to px."""
        x0, y0, x1, y1 = self._box
        (xlow, xhigh), (ylow, yhigh) = self.xlim, self.ylim
        return x0 + (x - xlow) / (xhigh - xlow) * (x1 - x0), y1 - (y - ylow) / (yhigh - ylow) * (y1 - y0)

    def _draw(self) -> None:
        x0, y0, x1, y1 = self._box
        for value in ticks(*self.ylim, count=4):
            y = self.at(self.xlim[0], value)[1]
            self.canvas.line(x0, y, x1, y, "grid")
            self.canvas.text(x0 - 6, y + 4, _label(value), "tick", "end")
        for value in ticks(*self.xlim, count=5):
            x = self.at(value, self.ylim[0])[0]
            self.canvas.line(x, y1, x, y1 + 4, "axis")
            self.canvas.text(x, y1 + 16, _label(value), "tick", "middle")
        self.canvas.line(x0, y1, x1, y1, "axis")
        if self.xlabel:
            self.canvas.text((x0 + x1) / 2, self.canvas.height - 5, self.xlabel, "label", "middle")
        if self.ylabel:
            middle = (y0 + y1) / 2
            self.canvas.text(
                12, middle, self.ylabel, "label", "middle", f' transform="rotate(-90 12 {number(middle)})"'
            )


def _widened(low: float, high: float) -> tuple[float, float]:
    """A range of some width around a single value."""
    if high > low:
        return low, high
    pad = abs(low) * 0.1 or 1.0
    return low - pad, high + pad


def _label(value: float) -> str:
    if value and (abs(value) >= 10_000 or abs(value) < 0.001):
        return f"{value:.0e}".replace("e+0", "e").replace("e-0", "e-")
    return f"{value:g}"
