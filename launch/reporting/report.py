"""One HTML page that stands by itself: headings, tables, plots and videos, all inside the file."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, BLUE, ORANGE, GREEN, GREY, VIOLET = "#1f2430", "#2f6fde", "#e8702a", "#2c9c6a", "#9aa3b2", "#8a4fc7"

STYLE = """
:root { color-scheme: light dark; --ink: #1f2430; --paper: #fff; --line: #dfe3ea; --soft: #5c6575 }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebf1; --paper: #14171d; --line: #2c323d; --soft: #9aa3b2 } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
       color: var(--ink); background: var(--paper) }
h1 { margin-bottom: 0 } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); padding-bottom: .3rem }
p.lead, figcaption { color: var(--soft) }
table { border-collapse: collapse; font-variant-numeric: tabular-nums } td, th { padding: .3rem .9rem .3rem 0 }
th { text-align: left; color: var(--soft); font-weight: 600 } tr { border-bottom: 1px solid var(--line) }
figure { margin: 1rem 0 } img, video { max-width: 100%; border-radius: 6px; background: #fff }
"""


class HtmlReport:
    """A page under construction; methods append in order."""

    def __init__(self, title: str, lead: str) -> None:
        self.title = title
        self._parts = [f"<h1>{html.escape(title)}</h1><p class=lead>{html.escape(lead)}</p>"]

    def section(self, heading: str, text: str = "") -> None:
        """Start a section."""
        self._parts.append(f"<h2>{html.escape(heading)}</h2>" + (f"<p>{html.escape(text)}</p>" if text else ""))

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Append a table."""
        head = "".join(f"<th>{html.escape(str(cell))}</th>" for cell in header)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_cell(cell))}</td>" for cell in row) + "</tr>" for row in rows
        )
        self._parts.append(f"<table><tr>{head}</tr>{body}</table>")

    def plot(self, figure: Figure, caption: str) -> None:
        """Append a matplotlib figure."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
        self._media("img src", "image/png", buffer.getvalue(), caption)

    def video(self, path: Path, caption: str) -> None:
        """Append an MP4 file."""
        self._media("video controls loop muted autoplay src", "video/mp4", path.read_bytes(), caption)

    def _media(self, tag: str, kind: str, data: bytes, caption: str) -> None:
        source = f"data:{kind};base64,{base64.b64encode(data).decode()}"
        end = "</video>" if tag.startswith("video") else ""
        self._parts.append(f'<figure><{tag}="{source}">{end}<figcaption>{html.escape(caption)}</figcaption></figure>')

    def write(self, path: Path) -> None:
        """Write the page."""
        head = '<!doctype html><meta charset=utf-8><meta name=viewport content="width=device-width">'
        title = f"<title>{html.escape(self.title)}</title><style>{STYLE}</style>"
        path.write_text("\n".join([head, title, *self._parts, ""]), encoding="utf-8", errors="replace")


def axes(rows: int = 1, height: float = 2.4) -> tuple[Figure, list[Axes]]:
    """A figure 9 inches wide with `rows` axes above one another, sharing x."""
    figure = Figure(figsize=(9, height * rows), layout="constrained")
    made = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    for each in made:
        each.spines[["top", "right"]].set_visible(False)
        each.grid(alpha=0.25)
    return figure, list(made)


def figures_table(figures: Mapping[str, object]) -> list[tuple[str, object]]:
    """Rows of a table from a JSON object, leaving nested values out."""
    return [(key, value) for key, value in figures.items() if not isinstance(value, Mapping | list)]


def _cell(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
