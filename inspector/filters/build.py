"""From all kernels of a layer to those that are shown: selected, described, reduced, sorted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspector.choices import Reduce, Sort
from inspector.errors import OptionError
from inspector.filters import reduction
from inspector.filters.kernels import Kernels
from inspector.filters.result import Filters
from inspector.filters.selection import select as selected
from inspector.filters.statistics import Statistics, dead, duplicates, similarity_order, statistics
from inspector.onnxfile.source import quoted

# Ordering by similarity holds the cosine of every pair, four bytes each.
_MAX_SIMILAR = 8192


def build(
    kernels: Kernels,
    *,
    select: str | Sequence[int] | None = None,
    channels: str | Sequence[int] | None = None,
    reduce: Reduce = "none",
    sort: Sort = "none",
) -> Filters:
    """Make the `Filters` of a layer whose kernels are at hand; see `inspector.filters.filters`."""
    where = f"{kernels.source}: layer {quoted(kernels.layer)}"
    total = kernels.array.shape[0], kernels.array.shape[1]
    rows = selected(select, total[0], "filter", where)
    columns = selected(channels, total[1], "channel", where)
    if reduce not in ("none", "mean", "pca"):
        raise OptionError(f"there is no reduction {reduce!r}; expected none, mean or pca", "--reduce pca")
    seen = kernels.array if len(columns) == total[1] and channels is None else kernels.array[:, list(columns)]
    figures = statistics(seen)
    # A filter without weights is not one that learned nothing.
    silent = dead(figures) if seen.size else np.zeros(len(seen), np.bool_)
    if select is not None:
        at = np.asarray(rows)
        seen, silent, figures = seen[at], silent[at], _rows(figures, at)
    shown = seen
    if reduce != "none" and seen.size:
        shown = reduction.mean(seen) if reduce == "mean" else reduction.principal(seen)
    order = _order(shown, figures, sort, where)
    indices = np.asarray(rows, np.int64)
    group = indices // max(total[0] // kernels.groups, 1)
    alike = duplicates(seen, silent | (figures.nonfinite > 0), group)
    coloured = shown.shape[1] == 3 and columns == (0, 1, 2)
    return Filters(
        source=kernels.source,
        layer=kernels.layer,
        kind=kernels.kind,
        weight=kernels.weight,
        kernels=shown if sort == "none" else shown[order],
        indices=tuple(indices[order].tolist()),
        channels=columns,
        total=total,
        groups=kernels.groups,
        reduce=reduce,
        sort=sort,
        statistics=_rows(figures, order),
        dead=tuple(indices[silent].tolist()),
        duplicates=tuple(tuple(indices[list(rows)].tolist()) for rows in alike),
        colours=kernels.colours if coloured else None,
        warnings=_warnings(seen, figures, where),
    )


def _order(shown: NDArray[np.floating], figures: Statistics, sort: Sort, where: str) -> NDArray[np.int64]:
    """Return the rows in the order in which they are shown."""
    if sort == "norm":
        # Largest first; equal ones keep their order; a filter that is not all numbers has no true norm.
        return np.lexsort((np.arange(len(shown)), -figures.norm, figures.nonfinite > 0))
    if sort == "similarity":
        if len(shown) > _MAX_SIMILAR:
            raise OptionError(
                f"{where}: sorting by similarity compares every pair of its {len(shown):,} filters; "
                f"expected at most {_MAX_SIMILAR:,}",
                "--sort norm, or fewer with --filters 0-1023",
            )
        return similarity_order(shown)
    if sort != "none":
        raise OptionError(f"there is no order {sort!r}; expected none, norm or similarity", "--sort norm")
    return np.arange(len(shown))


def _rows(figures: Statistics, rows: NDArray[np.int64]) -> Statistics:
    return Statistics(
        figures.norm[rows],
        figures.minimum[rows],
        figures.maximum[rows],
        figures.mean[rows],
        figures.nonfinite[rows],
    )


def _warnings(seen: NDArray[np.floating], figures: Statistics, where: str) -> tuple[str, ...]:
    if not seen.size:
        return (f"{where}: its kernels have the shape {list(seen.shape)}, so there is nothing to show",)
    broken = int(figures.nonfinite.sum())
    if broken:
        filters = int((figures.nonfinite > 0).sum())
        weights = f"{broken:,} weight{'s' if broken > 1 else ''}"
        return (
            f"{where}: {weights} in {filters:,} filter{'s' if filters > 1 else ''} "
            f"{'are' if broken > 1 else 'is'} NaN or infinite, drawn in magenta",
        )
    return ()
