"""A source and its converted model on the same inputs: outputs and every layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from converters.certificate import Difference, worst
from converters.errors import SourceError, UnsupportedError
from converters.formats import Feeds, Source, Written
from converters.runtime import Runtime
from converters.trials import Trial, standard_trials


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

    trials: tuple[Trial, ...]
    refusals: tuple[str, ...]
    outputs: tuple[Difference, ...]
    layers: tuple[Difference, ...]
    unseen: tuple[str, ...]


@dataclass(frozen=True)
class _Watched:
    """A layer whose value both sides can give."""

    layer: str
    tensor: str
    value: str


Answers = Mapping[str, NDArray[Any]]


def feeds(source: Source, written: Written, trial: Trial) -> dict[str, NDArray[Any]]:
    """A trial's arrays by the names of the model's inputs."""
    return _renamed(trial.feeds(source.inputs), written)


def answers(source: Source, written: Written, model: Runtime) -> list[Answers | UnsupportedError]:
    """What a model gives on each of the standard trials, or why it gives nothing.

    All trials at once, and before the source runs: an open session holds a copy of the weights.
    """
    return [_answer(model, feeds(source, written, trial)) for trial in standard_trials()]


def compare(source: Source, written: Written, given: Sequence[Answers | UnsupportedError]) -> Comparison:
    """Run the standard trials on the source, and compare the outputs and every layer.

    Args:
        source: The source, which is run.
        written: Its conversion.
        given: The `answers` of the very file that the user gets.

    Raises:
        SourceError: The source runs on none of the inputs.
        UnsupportedError: The source runs on inputs on which the model does not.
    """
    watched = _watched(source, written)
    trials: list[Trial] = []
    refusals: list[str] = []
    outputs: list[Difference] = []
    layers: list[Difference] = []
    for trial, got, values in zip(
        standard_trials(), given, _layer_values(source, written, watched), strict=True
    ):
        fed = trial.feeds(source.inputs)
        try:
            expected, nudged = (_expected(source, watched, each) for each in (fed, trial.nudged(fed)))
        except SourceError as error:
            # Indices beyond a table's rows, for example: the source itself says no to such inputs.
            refusals.append(f"Inputs {trial.drawn} are left out: {error.message}")
            continue
        if isinstance(got, UnsupportedError):
            raise got
        if isinstance(values, UnsupportedError):
            raise values
        trials.append(trial)
        for spec in source.outputs:
            name, value = spec.name, written.values.get(spec.name, spec.name)
            outputs.append(Difference.between(name, value, expected[name], got[value], nudged[name]))
        layers += [
            Difference.between(w.layer, w.value, expected[w.tensor], values[w.value], nudged[w.tensor])
            for w in watched
        ]
    if not trials:
        raise SourceError(f"the source could not be run on any input: {refusals[0]}")
    seen = {item.layer for item in watched}
    known = {spec.name for spec in source.inputs}
    unseen = tuple(name for name, tensor in source.layers.items() if name not in seen and tensor not in known)
    return Comparison(tuple(trials), tuple(refusals), worst(outputs), worst(layers), unseen)


def _answer(model: Runtime, feeds: Feeds) -> Answers | UnsupportedError:
    try:
        return model.run(feeds)
    except UnsupportedError as error:
        return error


def _layer_values(
    source: Source, written: Written, watched: list[_Watched]
) -> list[Answers | UnsupportedError]:
    """What a model in memory gives that returns every layer's value beside the outputs."""
    nodes = written.model.with_outputs(item.value for item in watched)
    return answers(source, written, Runtime(nodes.SerializeToString(), written.model.weights))


def _renamed(arrays: Feeds, written: Written) -> dict[str, NDArray[Any]]:
    return {written.values.get(name, name): array for name, array in arrays.items()}


def _watched(source: Source, written: Written) -> list[_Watched]:
    present = {name for node in written.model.nodes.graph.node for name in node.output}
    pairs = ((layer, name, written.values.get(name, name)) for layer, name in source.layers.items())
    return [_Watched(layer, tensor, value) for layer, tensor, value in pairs if value in present]


def _expected(source: Source, watched: list[_Watched], fed: Feeds) -> Mapping[str, NDArray[Any]]:
    tensors = dict.fromkeys([*(spec.name for spec in source.outputs), *(item.tensor for item in watched)])
    return source.reference.run(fed, list(tensors))
