"""Charts as plain values for plotly's JavaScript.

Plotly's Python classes would check them, but take seconds to import. Colours are names of the
page's style, such as ``var(--accent)``, so that charts are light or dark as the page is.
"""

import html
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from search.report.axis import axis_number

INK, MUTED, ACCENT = "var(--ink)", "var(--muted)", "var(--accent)"
COMPLETE_COLOUR, PRUNED_COLOUR, FAIL_COLOUR = "var(--complete)", "var(--pruned)", "var(--bad)"

COST_SCALE: list[list[Any]] = [[(i / 5) ** 2, f"var(--cost-{i})"] for i in range(6)]
"""Colours from the lowest cost to the highest; near the lowest they change fastest."""

SHARE_SCALE = [[0.0, "var(--paper)"], [1.0, "var(--accent)"]]
SIGN_SCALE = [[0.0, "var(--negative)"], [0.5, "var(--paper)"], [1.0, "var(--positive)"]]
GREY_SCALE = [[0.0, "#000000"], [1.0, "#ffffff"]]

_SERIES = 8
_DIGITS = 6
_AS_THEY_ARE = frozenset({int, str, bool, type(None)})


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes
    ----------
    name : str
        The id of its element in the page.
    title : str
    data : list of dict
        Traces of plotly; a trace with a ``mode_of_page`` is drawn in that mode only.
    layout : dict
    height : int
        Pixels.
    note : str
        A sentence below the title.
    wide : bool
        Whether it needs more width than a phone has; it scrolls there.
    """

    name: str
    title: str
    data: list[dict[str, Any]]
    layout: dict[str, Any] = field(default_factory=dict)
    height: int = 360
    note: str = ""
    wide: bool = False

    @property
    def spec(self) -> dict[str, Any]:
        """The data and the layout, which the script of the page draws."""
        return {"data": json_value(self.data), "layout": json_value(self.layout)}


def series(index: int) -> str:
    """Return one of the colours that tell lines apart."""
    return f"var(--series-{index % _SERIES})"


def text_of(text: object) -> str:
    """Return a text with its markup escaped, because plotly reads some."""
    return html.escape(str(text), quote=False)


def hover(lines: Iterable[tuple[str, str]]) -> str:
    """Return the text of a label that appears under the pointer, a line for each name and value."""
    return "<br>".join(f"{text_of(name)} {text_of(value)}" for name, value in lines)


def json_value(value: Any) -> Any:
    """Return a value for JSON: six digits of each number, null for one that is not finite."""
    # Pixels and weights come first: they are tens of thousands, and were a third of a small sweep.
    if type(value) is float:
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    if type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return json_value(value.tolist())
    if isinstance(value, Mapping):
        return {key: json_value(item) for key, item in value.items()}
    return json_value(float(value)) if isinstance(value, float) else value


@cache
def template(name: str) -> Template:
    """Return a template, which takes longer to compile than to fill."""
    environment = Environment(
        loader=PackageLoader("search.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = axis_number
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment.get_template(name)


def plotly_script() -> Markup:
    """Return plotly's own script: the only part of the page that is not escaped."""
    bundle = files("plotly.package_data").joinpath("plotly.min.js").read_text(encoding="utf-8")
    return Markup(bundle)  # noqa: S704 - a file of an installed package, not of a user
