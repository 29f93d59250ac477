"""A layer's kernels as one HTML page: the picture, figures under the pointer, a table of the filters."""

from __future__ import annotations

import base64
import html
import json
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from inspector.safe_names import printable
from inspector.tiles import Picture

if TYPE_CHECKING:
    from inspector.filters.result import Filters


def page(filters: Filters, picture: Picture) -> str:
    """Return a standalone page; every name in it is escaped, and it loads nothing."""
    frame = Template(resources.files(__package__).joinpath("page.html").read_text("utf-8"))
    remarks = [f"<li>{_text(note)}</li>" for note in filters.notes]
    remarks += [f'<li class="warning">{_text(warning)}</li>' for warning in filters.warnings]
    return frame.substitute(
        title=_text(filters.title),
        model=_text(filters.source),
        kind=_text(filters.kind),
        key=f" · colours from {_text(picture.key)}" if picture.key else "",
        shape=" x ".join(map(str, filters.kernels.shape)),
        remarks="\n".join(remarks),
        svg=picture.svg(),
        rows="\n".join(_rows(filters)),
        data=json.dumps(_data(filters, picture), separators=(",", ":")).replace("<", "\\u003c"),
    )


def fragment(filters: Filters, picture: Picture) -> str:
    """Return what a notebook shows: the picture, what it is, and what is remarkable, without a script."""
    data = base64.b64encode(picture.png()).decode("ascii")
    remarks = "".join(f"<li>{_text(each)}</li>" for each in (*filters.notes, *filters.warnings))
    title = _text(filters.title)
    return (
        f'<figure style="margin:0"><img alt="{title}" src="data:image/png;base64,{data}" '
        'style="max-width:100%;image-rendering:pixelated">'
        f"<figcaption>{title}{f'<ul>{remarks}</ul>' if remarks else ''}</figcaption></figure>"
    )


def _rows(filters: Filters) -> list[str]:
    figures, dead = filters.statistics, set(filters.dead)
    like = {index: group for group in filters.duplicates for index in group}
    rows = []
    for row, index in enumerate(filters.indices):
        others = [other for other in like.get(index, ()) if other != index]
        remarks = ["dead"] if index in dead else []
        remarks += [f"like {', '.join(map(str, others[:6]))}{', …' if others[6:] else ''}"] if others else []
        if figures.nonfinite[row]:
            remarks.append(f"{figures.nonfinite[row]} NaN or infinite")
        numbers = (figures.norm[row], figures.minimum[row], figures.maximum[row], figures.mean[row])
        cells = "".join(f'<td data-v="{number:.9g}">{number:.4g}</td>' for number in numbers)
        rows.append(
            f'<tr id="f{index}"><th scope="row">{index}</th>{cells}<td>{"; ".join(remarks)}</td></tr>'
        )
    return rows


def _data(filters: Filters, picture: Picture) -> dict[str, object]:
    """Return what the page's script needs to tell which tile is under the pointer."""
    grid = picture.grid
    if grid is None:
        return {}
    per_filter = grid.count // max(len(filters.indices), 1)
    depth = filters.kernels.shape[2] if filters.kernels.ndim == 5 else 1
    by_channel = per_filter > depth
    figures = filters.statistics
    return {
        "columns": grid.columns,
        "count": grid.count,
        "pitch": grid.pitch,
        "origin": grid.origin(0),
        "tile": (grid.tile[0] * grid.zoom, grid.tile[1] * grid.zoom),
        "perFilter": per_filter,
        "depth": depth,
        "channels": filters.channels if by_channel else (),
        "filters": filters.indices,
        "figures": [
            [f"{number:.4g}" for number in row]
            for row in zip(figures.norm, figures.minimum, figures.maximum, strict=True)
        ],
    }


def _text(text: str) -> str:
    return html.escape(printable(text, 400))
