"""Why a model decides as it does: heatmaps over the input's pixels, by many methods."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inspector.choices import TIME_LIMIT
from inspector.class_number import class_number
from inspector.errors import InspectorError, OptionError
from inspector.explain.references import sampled
from inspector.explain.registry import Heatmaps, Method, all_methods, find, method
from inspector.explain.result import Answer, Explanation, Explanations, Heatmap, Refusal
from inspector.explain.runner import Runner
from inspector.explain.subject import Subject
from inspector.explain.target_layer import target_layer
from inspector.images import decode
from inspector.picture_list import list_pictures
from inspector.predictions import Failure

if TYPE_CHECKING:
    from inspector.explain.trust import Trust
    from inspector.images import Decoded, ImageSource
    from inspector.model import Model
    from inspector.picture_list import Images
    from inspector.predictor import GivenLabels
    from inspector.preprocess import Fields, Preprocess
    from inspector.regions import RegionReport

__all__ = [
    "DEFAULT_METHODS",
    "Explainer",
    "Explanation",
    "Explanations",
    "Heatmap",
    "Heatmaps",
    "Method",
    "Runner",
    "Subject",
    "all_methods",
    "explain",
    "find",
    "method",
]

DEFAULT_METHODS = ("layercam", "integrated-gradients", "occlusion")
"""A coarse view, a fine one, and one that asks the model instead of its gradient."""

TOP = "top"
Options = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Explainer:
    """A model made ready to be explained; the options hold for every picture.

    Attributes:
        runner: The model.
        methods: What explains.
        target: A class's name or number, or "top" for the class that each picture gets.
        layer: The layer whose maps class activation maps are made of; empty to find it.
        options: Options of methods that differ from their defaults, by method.
        trust: Whether each heatmap is tested: see `inspector.explain.trust`.
        seed: Of whatever is drawn by chance.
        lenient: Whether a method that cannot explain this model is left out, as long as another can; see
            `refused`.

    Raises:
        OptionError: There is no such class, layer or option; or the seed is negative.
    """

    runner: Runner
    methods: tuple[Method, ...]
    target: str | int = TOP
    layer: str = ""
    options: Options | None = None
    trust: bool = True
    seed: int = 0
    lenient: bool = False

    def __post_init__(self) -> None:
        """Check what can be checked before a picture is read."""
        if self.seed < 0:
            raise OptionError(f"the seed is {self.seed}; expected 0 or more", "--seed 0")
        # The same method twice would agree with itself.
        object.__setattr__(self, "methods", tuple(dict.fromkeys(self.methods)))
        self._check_options()
        self.fixed_target  # noqa: B018
        if self.layer and any(each.layered for each in self.methods):
            target_layer(self.runner.model, self.runner.input, self.runner.logits, self.layer)

    def _check_options(self) -> None:
        layout = self.runner.ready.layout
        size = (layout.height, layout.width) if layout.height and layout.width else None
        methods = {each.name: each for each in self.methods}
        for name, given in (self.options or {}).items():
            if name not in methods:
                raise OptionError(
                    f"an option is given for {name!r}, which is not among the methods", f"-m {name}"
                )
            methods[name].check(given, size)

    def stream(self, images: Images) -> Iterator[Explanation | Failure]:
        """Explain pictures one after the other; one that cannot be read does not stop the others."""
        pictures = list_pictures(images)
        items = pictures.items
        references: Sequence[NDArray[np.float32]] = ()
        if any(each.compares for each in self.methods):
            references, items = sampled(
                pictures, lambda source, name: self._read(source, name)[0][0], self.seed
            )
        for name, source in items:
            try:
                yield self.explain(source, name, references)
            except InspectorError as error:
                yield Failure(name, error)

    def explain(
        self, source: ImageSource, name: str, references: Sequence[NDArray[np.float32]] = ()
    ) -> Explanation:
        """Explain one picture.

        Args:
            source: The picture.
            name: What it is called.
            references: float32 (…) each, in the layout of the model's input: what it may be compared with.

        Raises:
            ImageError: It cannot be read.
            GradientError: A method needs a gradient that the model does not have.
        """
        subject, seen, warnings = self.subject(source, name)
        alike = [each for each in references if each.shape == subject.inputs.shape[1:]]
        subject = replace(subject, references=np.stack(alike) if alike else subject.inputs[:0])
        made = self._made(subject)
        methods, found = list(made), list(made.values())
        trusted = self._trusted(subject, methods, found)
        probabilities = subject.probabilities(subject.inputs)[0]
        heatmaps = (
            Heatmap(
                method=each.name,
                values=maps.values[0],
                signed=each.signed,
                layer=maps.layer,
                figures={key: float(figure[0]) for key, figure in maps.figures.items()},
                notes=(*maps.notes, *([each.caution] if each.caution else ())),
                trust=trust,
                options={**each.options, **(self.options or {}).get(each.name, {})},
            )
            for each, maps, trust in zip(methods, found, trusted, strict=True)
        )
        target, best = subject.targets[0], int(probabilities.argmax())
        return Explanation(
            name,
            target,
            self.label(target),
            float(probabilities[target]),
            seen,
            tuple(heatmaps),
            warnings,
            Answer(best, self.label(best), float(probabilities[best])),
        )

    def subject(self, source: ImageSource, name: str) -> tuple[Subject, NDArray[np.uint8], tuple[str, ...]]:
        """Read a picture: the subject, the picture as the model sees it, and warnings about it.

        Raises:
            ImageError: It cannot be read.
        """
        ready = self.runner.ready
        inputs, decoded = self._read(source, name)
        seen = np.asarray(ready.way.fitted(decoded.image, ready.input, where=name))
        subject = Subject(self.runner, inputs, (0,), self.layer, self.seed)
        fixed = self.fixed_target
        target = int(subject.probabilities(inputs)[0].argmax()) if fixed is None else fixed
        return Subject(self.runner, inputs, (target,), self.layer, self.seed), seen, decoded.warnings

    def _read(self, source: ImageSource, name: str) -> tuple[NDArray[np.float32], Decoded]:
        """A picture in the layout of the input, (1, …), and as it was decoded."""
        ready = self.runner.ready
        decoded = decode(source, name=name)
        tensor = ready.way.apply(decoded.image, ready.input, where=name)
        return (tensor if "N" in ready.layout.axes else tensor[None]).astype(np.float32), decoded

    @property
    def fixed_target(self) -> int | None:
        """The class that was asked for; None for the top one."""
        if self.target == TOP:
            return None
        return class_number(self.runner.ready, self.target, "--target top")

    def label(self, target: int) -> str:
        """What a class is called."""
        names = self.runner.ready.names
        return names[target] if names and target < len(names) else f"class {target}"

    @property
    def refused(self) -> tuple[Refusal, ...]:
        """Of the methods tried so far those that cannot explain this model, and why."""
        if not self.lenient:
            return ()
        tried = ((each.name, self.runner.refusals.get(each.name)) for each in self.methods)
        return tuple(Refusal(name, error) for name, error in tried if error)

    def gathered(
        self,
        items: Sequence[Explanation],
        failures: Sequence[Failure] = (),
        warnings: Sequence[str] = (),
        regions: RegionReport | None = None,
    ) -> Explanations:
        """What was found of several pictures, with all that says how."""
        ready = self.runner.ready
        return Explanations(
            str(ready.model.path),
            tuple(items),
            tuple(failures),
            tuple(warnings),
            regions=regions,
            refused=self.refused,
            seed=self.seed,
            preprocess=json.loads(ready.way.to_json()),
        )

    def _made(self, subject: Subject) -> dict[Method, Heatmaps]:
        """The maps of each method that can explain this model."""
        made: dict[Method, Heatmaps] = {}
        refusals = self.runner.refusals
        for each in self.methods:
            if self.lenient and refusals.get(each.name) is not None:
                continue
            try:
                made[each] = each.run(subject, (self.options or {}).get(each.name, {}))
            except InspectorError as error:
                # What explained one picture is not left out of the next: every row has the same methods.
                if not self.lenient or each.name in refusals:
                    raise
                refusals[each.name] = error
            else:
                refusals[each.name] = None
        if self.methods and not made:
            raise next(error for error in refusals.values() if error)
        return made

    def _trusted(
        self, subject: Subject, methods: Sequence[Method], found: Sequence[Heatmaps]
    ) -> Sequence[Trust | None]:
        if not self.trust:
            return [None] * len(found)
        from inspector.explain.trust import measured

        return measured(subject, methods, found, self.options or {})


def explain(
    model: Model,
    images: Images,
    methods: Sequence[str] = DEFAULT_METHODS,
    *,
    target: str | int = TOP,
    layer: str = "",
    options: Options | None = None,
    trust: bool = True,
    seed: int = 0,
    preprocess: Preprocess | Fields | None = None,
    labels: GivenLabels | None = None,
    output: str | None = None,
    time_limit: float | None = TIME_LIMIT,
) -> Explanations:
    """Explain the decisions about one picture, several, or a folder.

    Args:
        model: The opened model.
        images: Pictures, as for `predict`.
        methods: Names of methods; `all_methods` has them all.
        target: The class that the explanations are about, by name or number; "top" for the one that each
            picture gets.
        layer: The layer whose maps class activation maps are made of; by default the last one with maps.
        options: Options of methods, by method: {"rise": {"masks": 500}}.
        trust: Whether each heatmap is tested on the spot, which takes as long again as the cheaper methods.
        seed: Of whatever is drawn by chance.
        preprocess: The way from pixels to the input, or fields of it, where it is not the declared one.
        labels: Class names, or a file of them; by default those that the model declares.
        output: The value that holds the class scores; by default found.
        time_limit: Seconds that one run may take; None for any time.

    Raises:
        OptionError: There is no such method, class, layer or option.
        ImageError: A single picture cannot be read.
        GradientError: A method needs a gradient that the model does not have.
    """
    from inspector.predictor import Predictor

    ready = Predictor(model, preprocess=preprocess, labels=labels, output=output, time_limit=time_limit)
    explainer = Explainer(
        Runner(ready), tuple(find(name) for name in methods), target, layer, options, trust, seed
    )
    pictures = list_pictures(images)
    found = list(explainer.stream(images))
    failures = tuple(item for item in found if isinstance(item, Failure))
    if pictures.single and failures:
        raise failures[0].error
    items = tuple(item for item in found if isinstance(item, Explanation))
    warnings = (*([ready.assumed] if ready.assumed else []), *ready.warnings)
    return explainer.gathered(items, failures, warnings)
