"""A source and its converted model on the same inputs: outputs and every layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from converters.cut import CutModel
from converters.difference import (
    LAYER_LAYOUTS,
    LAYER_STEPS,
    OUTPUT_STEPS,
    Difference,
    Layout,
    agreement,
    worst,
)
from converters.errors import SourceError, UnsupportedError
from converters.formats import Feeds, Source, Written
from converters.runtime import Runtime
from converters.trials import Inputs, Pictures, Trial, standard_trials

Answers = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Attributes:
        trials: The inputs that both sides ran on.
        refusals: One sentence for each kind of input that the source refused.
        outputs: The worst difference of each output.
        layers: The worst difference of each layer, in the order of the graph.
        unseen: Layers whose value the converted model no longer holds by itself.
    """

    trials: tuple[Inputs, ...]
    refusals: tuple[str, ...]
    outputs: tuple[Difference, ...]
    layers: tuple[Difference, ...]
    unseen: tuple[str, ...]

    def and_then(self, other: Comparison) -> Comparison:
        """This comparison and another one of the same two."""
        return replace(
            self,
            trials=self.trials + other.trials,
            refusals=self.refusals + other.refusals,
            outputs=worst([*self.outputs, *other.outputs]),
            layers=worst([*self.layers, *other.layers]),
        )


@dataclass(frozen=True)
class Watched:
    """A layer whose value both sides can give.

    Attributes:
        layer: Its name.
        tensor: What the source calls its value.
        value: What the model calls it.
        step: The real value of one step, where the source quantised it; else 0.
    """

    layer: str
    tensor: str
    value: str
    step: float = 0.0

    def difference(
        self, expected: Answers, got: Answers, nudged: Answers | None, layout: Layout
    ) -> Difference:
        """How far the model's value is from the source's, seen in one layout."""
        return Difference.between(
            self.layer,
            self.value,
            expected[self.tensor],
            got[self.value],
            None if nudged is None else nudged[self.tensor],
            layout=layout,
            step=self.step,
            steps=LAYER_STEPS if self.step else 0,
        )


@dataclass
class _Found:
    """Differences as they are found, the layers' in each layout: one layout has to fit in every trial."""

    outputs: list[Difference] = field(default_factory=list)
    layers: dict[str, dict[Layout, Difference]] = field(default_factory=dict)

    def add(
        self, watched: Sequence[Watched], expected: Answers, got: Answers, nudged: Answers | None
    ) -> None:
        for item in watched:
            known = self.layers.setdefault(item.layer, {})
            for layout in LAYER_LAYOUTS:
                found = item.difference(expected, got, nudged, layout)
                known[layout] = known[layout].worse(found) if layout in known else found

    def best(self) -> tuple[Difference, ...]:
        return tuple(min(known.values(), key=lambda item: item.part) for known in self.layers.values())


def feeds(source: Source, written: Written, trial: Inputs) -> dict[str, NDArray[Any]]:
    """A trial's arrays by the names of the model's inputs."""
    given = trial.feeds(source.inputs)
    return {written.values.get(name, name): array for name, array in given.items()}


def answers(
    source: Source, written: Written, model: Runtime, trials: Sequence[Inputs] | None = None
) -> list[Answers | UnsupportedError]:
    """What a model gives on each of the trials, or why it gives nothing.

    All trials at once, and before the source runs: an open session holds a copy of the weights.
    """
    return [
        _answer(model, feeds(source, written, trial))
        for trial in (standard_trials() if trials is None else trials)
    ]


def compare(
    source: Source,
    written: Written,
    given: Sequence[Answers | UnsupportedError],
    trials: Sequence[Inputs] | None = None,
    *,
    layers: bool = True,
) -> Comparison:
    """Run the trials on the source, and compare the outputs and every layer.

    A quantised source rounds between any two layers, and what one layer rounds otherwise changes all that
    follow. So each of its layers is given the source's own values of what comes before it.

    Args:
        source: The source, which is run.
        written: Its conversion.
        given: The `answers` of the very file that the user gets.
        trials: The inputs; the standard ones when None.
        layers: Whether layers are compared beside the outputs.

    Raises:
        SourceError: The source runs on none of the inputs.
        UnsupportedError: The source runs on inputs on which the model does not.
    """
    trials = standard_trials() if trials is None else trials
    watched = watched_layers(source, written) if layers else []
    values = _layer_values(source, written, watched, trials) if watched else list(given)
    cut = CutModel(written, {item.tensor: item.value for item in watched}) if source.steps else None
    ran: list[Inputs] = []
    refusals: list[str] = []
    found = _Found()
    for trial, got, inside in zip(trials, given, values, strict=True):
        try:
            expected, nudged = _expected(source, watched, trial)
        except SourceError as error:
            # Indices beyond a table's rows, for example: the source itself says no to such inputs.
            refusals.append(f"Inputs {trial.drawn} are left out: {error.message}")
            continue
        ran.append(trial.fitted(source.inputs) if isinstance(trial, Trial) else trial)
        found.outputs += _outputs(source, written, expected, _given(got), nudged, _samples(trial))
        held = _given(inside)
        if cut is not None and watched:
            held = cut.run(feeds(source, written, trial), expected, held)
        found.add(watched, expected, held, nudged)
    if not ran:
        raise SourceError(f"the source could not be run on any input: {refusals[0]}", _hint(source))
    unseen = _unseen(source, watched) if layers else ()
    return Comparison(tuple(ran), tuple(refusals), worst(found.outputs), found.best(), unseen)


def watched_layers(source: Source, written: Written) -> list[Watched]:
    """The layers of a source whose values a conversion holds too."""
    present = {name for node in written.model.nodes.graph.node for name in node.output}
    pairs = ((layer, name, written.values.get(name, name)) for layer, name in source.layers.items())
    return [
        Watched(layer, tensor, value, source.steps.get(tensor, 0.0))
        for layer, tensor, value in pairs
        if value in present
    ]


def drawn(comparison: Comparison) -> tuple[Trial, ...]:
    """The trials of a comparison whose inputs were drawn by chance."""
    return tuple(trial for trial in comparison.trials if isinstance(trial, Trial))


def _unseen(source: Source, watched: Sequence[Watched]) -> tuple[str, ...]:
    seen = {item.layer for item in watched}
    known = {spec.name for spec in source.inputs}
    return tuple(name for name, tensor in source.layers.items() if name not in seen and tensor not in known)


def _hint(source: Source) -> str:
    """What helps where a source refuses every input."""
    axes = [size for spec in source.inputs for size in (spec.shape or ())[1:]]
    return "Give its inputs sizes that it takes with --input-shape." if None in axes else ""


def _samples(trial: Inputs) -> int | None:
    """How many samples of a batch count: the last picture may fill up a fixed one."""
    return len(trial.names) if isinstance(trial, Pictures) else None


def _outputs(
    source: Source,
    written: Written,
    expected: Answers,
    got: Answers,
    nudged: Answers | None,
    count: int | None,
) -> list[Difference]:
    """The differences of the outputs, whose shapes have to be the source's own."""
    found = []
    for spec in source.outputs:
        name, step = spec.name, source.steps.get(spec.name, 0.0)
        value = written.values.get(name, name)
        difference = Difference.between(
            name,
            value,
            expected[name],
            got[value],
            None if nudged is None else nudged[name],
            layout="exact",
            step=step,
            steps=OUTPUT_STEPS if step else 0,
        )
        found.append(replace(difference, top1=agreement(expected[name], got[value], count)))
    return found


def _given(answer: Answers | UnsupportedError) -> Answers:
    if isinstance(answer, UnsupportedError):
        raise answer
    return answer


def _answer(model: Runtime, feeds: Feeds) -> Answers | UnsupportedError:
    try:
        return model.run(feeds)
    except UnsupportedError as error:
        return error


def _layer_values(
    source: Source, written: Written, watched: Sequence[Watched], trials: Sequence[Inputs]
) -> list[Answers | UnsupportedError]:
    """What a model in memory gives that returns every layer's value beside the outputs."""
    nodes = written.model.with_outputs(item.value for item in watched)
    return answers(source, written, Runtime(nodes.SerializeToString(), written.model.weights), trials)


def _expected(source: Source, watched: Sequence[Watched], trial: Inputs) -> tuple[Answers, Answers | None]:
    """What the source computes, and what it computes when its inputs change in their last bit."""
    names = list(dict.fromkeys([*(spec.name for spec in source.outputs), *(item.tensor for item in watched)]))
    fed = trial.feeds(source.inputs)
    expected = source.reference.run(fed, names)
    # A last bit can turn a whole step; and integers have none to turn.
    if source.steps or not any(array.dtype.kind == "f" for array in fed.values()):
        return expected, None
    return expected, source.reference.run(trial.nudged(fed), names)
