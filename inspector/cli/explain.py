"""`inspector explain`: why a model decides as it does about pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inspector.cli import options, output

if TYPE_CHECKING:
    from inspector.explain import Explainer, Explanation, Explanations
    from inspector.explain.result import Refusal
    from inspector.images import ImageSource

SOME_FAILED = 3


def complete_method(incomplete: str) -> list[str]:
    """Names of methods, for the shell."""
    from inspector.explain import all_methods

    return [name for name in all_methods() if name.startswith(incomplete)]


def list_methods(wanted: bool) -> None:
    """Name every method with its options and where it was published, and end."""
    if not wanted:
        return
    from inspector.explain import all_methods

    methods = all_methods().values()
    rows = [
        output.cells(
            each.name, each.needs, ", ".join(f"{k}={v}" for k, v in each.options.items()), each.paper
        )
        for each in methods
    ]
    output.table(("method", "needs", "options", "paper"), rows)
    output.data("")
    options = [(f"{each.name}.{name}", option) for each in methods for name, option in each.declared.items()]
    output.table(
        ("option", "values", "default", "meaning"),
        [output.cells(name, option.values, f"{option.default}", option.meaning) for name, option in options],
    )
    raise typer.Exit


def explain(
    model: options.ModelPath,
    images: Annotated[
        list[str] | None,
        typer.Argument(
            help="Pictures, folders or globs; - reads one picture from stdin.", show_default=False
        ),
    ] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            "-m",
            help="How to explain; may be repeated. --list-methods names them.",
            show_default="layercam, integrated-gradients, occlusion",
            autocompletion=complete_method,
        ),
    ] = None,
    target: Annotated[
        str, typer.Option(help="The class to explain: its name or number, or top for the one it gets.")
    ] = "top",
    out: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A .png, .svg, .npy or .json file.",
            show_default="explanation.png; with --json none",
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer",
            "-l",
            help="The layer whose maps class activation maps are made of.",
            autocompletion=options.complete_layer,
            show_default="the last one with maps",
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-O", help="An option of a method: rise.masks=500.", show_default=False),
    ] = None,
    regions: Annotated[
        list[str] | None,
        typer.Option(
            help="Which region decides: a folder of masks, NAME=x,y,width,height (may be repeated), "
            "or superpixels.",
            show_default=False,
        ),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust/--no-trust", help="Whether each heatmap is tested on the spot.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn by chance.")] = 0,
    scores: Annotated[
        str | None, typer.Option(help="The model's output that holds the scores.", show_default="found")
    ] = None,
    listing: Annotated[
        bool,
        typer.Option(
            "--list-methods", help="Name every method, and end.", is_eager=True, callback=list_methods
        ),
    ] = False,
    to_file: Annotated[
        Path | None,
        typer.Option(
            "--export",
            help="Write the model with its heatmap as one ONNX file: -m grad-cam, hirescam, layercam or "
            "gradient. Pictures may then be left out.",
            show_default=False,
        ),
    ] = None,
    labels: options.Labels = None,
    channels: options.Channels = None,
    range: options.Range = None,
    mean: options.Mean = None,
    std: options.Std = None,
    resize: options.Resize = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    force: options.Force = False,
) -> None:
    """Explain decisions: heatmaps over the pictures, each with a measure of its own trust.

    Examples:
    inspector explain lars.onnx face.png -o why.png

    inspector explain lars.onnx photos/ -m grad-cam -m rise --target Lars -o why.png

    inspector explain lars.onnx face.png -m smoothgrad -O smoothgrad.samples=100 -o why.npy

    inspector explain lars.onnx photos/ -m layercam --regions masks/

    inspector explain lars.onnx --export lars+cam.onnx
    """
    from converters.files import check_output
    from inspector.errors import InspectorError
    from inspector.explain import DEFAULT_METHODS, Explainer, Runner, find
    from inspector.explain.export import check_name
    from inspector.explain.result import check_suffix
    from inspector.model import load
    from inspector.onnxfile.source import counted
    from inspector.predictions import Failure
    from inspector.predictor import Predictor
    from inspector.regions import check, parse, report

    if not images and to_file is None:
        raise typer.BadParameter("name pictures, or a file with --export", param_hint="IMAGES")
    # Whoever asks for JSON has the answer without a file.
    path = out or (None if as_json else Path("explanation.png"))
    if images and path is not None:
        check_suffix(path.suffix.lower())
        check_output(path, force=force)
    if to_file is not None:
        check_name(to_file)
    fields = options.preprocess_fields(channels, range, mean, std, resize)
    ready = Predictor(load(model), preprocess=fields or None, labels=labels, output=scores)
    explainer = Explainer(
        Runner(ready),
        tuple(find(name) for name in methods or DEFAULT_METHODS),
        target,
        layer or "",
        _options(option or []),
        trust,
        seed,
        lenient=True,
    )
    warnings = (*([ready.assumed] if ready.assumed else []), *ready.warnings)
    for warning in warnings:
        output.warning(warning)
    if to_file is not None:
        _export(explainer, to_file, bool(methods), force, quiet)
    if not images:
        return
    _, sources = options.pictures(images)
    where = parse(regions) if regions else None
    if where is not None:
        check(explainer, sources, where)
    pairs: list[tuple[ImageSource, Explanation]] = []
    failures = []
    say = output.errors_once()
    with output.progress(len(sources), quiet) as step:
        for source, found in zip(sources, explainer.stream(sources), strict=True):
            step()
            if isinstance(found, Failure):
                failures.append(found)
                say(found.error)
            else:
                pairs.append((source, found))
    refused = explainer.refused if pairs else ()
    # A default method may be left out; one that was named is missed.
    if not methods:
        warnings = (*warnings, *(refusal.sentence for refusal in refused))
    for refusal in refused:
        _say(refusal, bool(methods))
    decided, problem = None, None
    try:
        decided = report(explainer, pairs, where, seed=seed) if where and pairs else None
    except InspectorError as error:
        problem = error
    result = explainer.gathered([found for _, found in pairs], failures, warnings, decided)
    failing = result.failing
    for line in result.sentences:
        if line in failing:
            output.warning(line)
        else:
            output.note(line, quiet=quiet)
    if layer and pairs and not any(heatmap.layer for heatmap in result[0].heatmaps):
        output.note(f"--layer {layer} is ignored: none of the methods uses a layer's maps", quiet=quiet)
    if pairs and path is not None:
        _save(result, path, force, quiet)
    if as_json:
        output.json(result.to_dict())
    elif decided is not None:
        output.table(*decided.table())
        output.data(decided.sentence)
    if problem is not None:
        raise problem
    if failures:
        output.note(f"{len(failures)} of {counted(len(sources), 'picture')} failed", quiet=quiet)
    if failures or (methods and refused):
        raise typer.Exit(SOME_FAILED if pairs else 1)


def _say(refusal: Refusal, named: bool) -> None:
    if named:
        output.error(refusal.sentence, refusal.error.hint)
    else:
        output.warning(refusal.sentence)


def _save(result: Explanations, path: Path, force: bool, quiet: bool) -> None:
    """Write a file, and say so, and how many of the pictures it shows where it does not show all."""
    output.note(f"wrote {result.save(path, force=force)}", quiet=quiet)
    if path.suffix.lower() in (".png", ".svg") and result.drawn < len(result):
        output.note(
            f"the picture shows the first {result.drawn} of {len(result)}; a .npy or .json file has all",
            quiet=quiet,
        )


def _export(explainer: Explainer, path: Path, chosen: bool, force: bool, quiet: bool) -> None:
    """Write the model with its heatmap; unless methods were chosen, that of the first default one."""
    from inspector.explain.export import export, told

    wanted = explainer if chosen else replace(explainer, methods=explainer.methods[:1], options=None)
    output.note(f"wrote {export(wanted, path, force=force)}: {told(wanted)}", quiet=quiet)


def _options(given: list[str]) -> dict[str, dict[str, Any]]:
    """Options of methods, "rise.masks=500", as numbers where they are numbers."""
    from inspector.explain.registry import usual_name

    found: dict[str, dict[str, Any]] = {}
    for text in given:
        name, dot, rest = text.partition(".")
        key, equals, value = rest.partition("=")
        if not (dot and equals and key):
            raise typer.BadParameter(f"{text!r} is not METHOD.OPTION=VALUE", param_hint="--option")
        found.setdefault(usual_name(name), {})[key.replace("-", "_")] = _number(value)
    return found


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
