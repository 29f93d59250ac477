"""For each filter the places in the user's own pictures that excite it most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from inspector.choices import TIME_LIMIT
from inspector.errors import OptionError, TensorError, UnknownLayerError
from inspector.exemplars.gallery import Exemplar, Gallery
from inspector.exemplars.result import SUFFIXES, Exemplars
from inspector.exemplars.search import Answer, Search, gathered
from inspector.filters.selection import select as selected
from inspector.layer_names import value_name
from inspector.onnxfile.source import quoted
from inspector.predictions import Failure
from inspector.visualize.unit import class_names, prepared, units_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inspector.model import Model
    from inspector.picture_list import Images
    from inspector.preprocess import Fields, Preprocess

__all__ = ["SUFFIXES", "Exemplar", "Exemplars", "exemplars"]

_MOST = 100


def exemplars(
    model: Model,
    images: Images,
    layer: str,
    *,
    select: str | Sequence[int] | None = None,
    count: int = 9,
    visualize: bool = False,
    steps: int = 256,
    seed: int = 0,
    preprocess: Preprocess | Fields | None = None,
    time_limit: float | None = TIME_LIMIT,
    step: Callable[[Answer | Failure], None] | None = None,
    climbed: Callable[[], None] | None = None,
) -> Exemplars:
    """Find, for each filter of a layer, the places in pictures that excite it most, one per picture.

    Every picture is read once. What is kept is bounded, however many there are.

    Args:
        model: The opened model.
        images: Pictures, as for `predict`.
        layer: A layer's or a value's name, or "logits"; also with a channel, "conv_2:5".
        select: Which filters: "0-15,40", or numbers; by default, all.
        count: How many for each filter.
        visualize: Whether to find what each filter looks for, too; see `inspector.visualize.visualize`.
        steps: How many steps that takes.
        seed: Of what it draws by chance.
        preprocess: The way from pixels to the input, or some fields of it, where it is not what the model
            declares.
        time_limit: Seconds that one run may take; None for any time.
        step: Called after each picture with what came of it.
        climbed: Called after each step that `visualize` takes.

    Raises:
        UnknownLayerError: There is no such layer or value.
        OptionError: An option makes no sense for the model.
        FileError: The one file given does not exist.
        ImageError: A folder holds no picture, the one picture given cannot be read, or the model takes none.
        RunError: The model cannot be run.

    Reference:
        Zeiler, Fergus: Visualizing and understanding convolutional networks, ECCV 2014, figure 2.
    """
    if not 1 <= count <= _MOST:
        raise OptionError(f"count is {count}; expected 1 to {_MOST}", "--count 9")
    ready = prepared(model, layer, preprocess, time_limit=time_limit)
    units = units_of(ready, layer)
    value = units.value if units.are_logits else value_name(model, units.asked)
    search = Search(ready, units.asked, value, units.paired)
    chosen: tuple[int, ...] = ()
    gallery = Gallery(0, count)
    failures: list[Failure] = []
    read, total = 0, 0
    for answer in search.answers(images):
        if isinstance(answer, Failure):
            failures.append(answer)
        else:
            if not read:
                total = len(answer.scores)
                wanted = (units.channel,) if units.channel is not None else select
                chosen = selected(wanted, total, "filter", f"{model.path}: {quoted(units.asked)}")
                gallery = Gallery(len(chosen), count)
            read += 1
            gathered(search, answer, chosen, gallery)
        if step:
            step(answer)
    if not read and failures:
        raise failures[0].error
    found = None
    if visualize:
        from inspector.visualize import visualize as looked_for

        found = looked_for(
            model,
            units.asked,
            select=chosen,
            steps=steps,
            seed=seed,
            preprocess=preprocess,
            time_limit=time_limit,
            step=climbed,
        )
    return Exemplars(
        source=str(model.path),
        layer=units.asked,
        value=search.value,
        indices=chosen,
        labels=class_names(ready, units, chosen),
        total=total,
        count=count,
        pictures_read=read,
        items=gallery.best(),
        kernels=_kernels(model, units.asked, chosen, total),
        visualization=found,
        failures=tuple(failures),
        warnings=(ready.assumed,) if ready.assumed else (),
    )


def _kernels(model: Model, layer: str, chosen: tuple[int, ...], total: int) -> NDArray[np.floating] | None:
    """A picture of each filter's weights: the pattern that its input channels share; None without any.

    Kernels of one weight have no pattern.
    """
    try:
        found = model.filters(layer, select=chosen, reduce="pca")
    except (OptionError, TensorError, UnknownLayerError):
        return None
    kernels = found.kernels
    patterned = kernels.ndim == 4 and kernels.shape[2:] != (1, 1)
    return kernels[:, 0] if patterned and found.total[0] == total else None
