"""`make bench-explanations`: which methods of explanation are right, where the truth is known.

Every method of the registry is scored on networks built by hand that provably read one patch, and on
`models/portraits`, where the hair decides. Prints Markdown; `--output FILE` writes it, too.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import one_patch_networks
from ground_truth import BASELINES, HEAD, Case, scored
from PIL import Image

from converters.conversion import convert
from converters.formats import Request
from inspector.explain import Explainer, Method, Runner, Subject, all_methods
from inspector.model import load
from inspector.predictor import Predictor

HERE = Path(__file__).resolve().parent
WORKSPACE = HERE.parent / "build" / "bench"
PORTRAITS = HERE.parent / "models" / "portraits"

# Pictures of each hand-built network; portraits; portraits explained for random weights, too.
_PICTURES, _PORTRAITS, _UNLEARNED = 5, 8, 3
# What is enough here of the methods that ask the model most often.
_FEWER: Mapping[str, Mapping[str, Any]] = {
    "rise": {"masks": 500},
    "kernel-shap": {"samples": 300},
    "lime": {"samples": 200},
}
# These compare the picture with a black one; they are scored with another blank, too.
_BLACK = ("integrated-gradients", "deeplift")
_OTHER: Mapping[str, Any] = {"blank": "mean"}

_TEXT = """# Which explanations are right

Written by `make bench-explanations`, which scores every method where the truth is known.

| column | meaning | best |
| --- | --- | --- |
| pointing | how often the strongest pixel of the map lies in the true region | 1 |
| mass | the part of the relevance that falls into the true region | 1 |
| rank | the part of the strongest pixels, as many as the region has, that lie in it | 1 |
| insertion | the target's mean probability while pixels come into a blurred picture, strongest first | 1 |
| deletion | the same while they are replaced by the blurred picture's | 0 |
| random weights | rank correlation with the map of the same network with random weights | 0 |

Means over the pictures, with 95 % bootstrap intervals; where all pictures agree these have no width,
though of eight hits the exact interval begins at 0.63. "centre" is a map of the distance from the middle
and "random" one of noise: a method that does not beat both says nothing. A map that is zero everywhere
counts as a guess where pixels are put in order or pointed at, has no mass anywhere, and is left out of
"random weights", which looks at the first {unlearned} portraits alone. Mass and rank accuracy are those
of Arras, Osman and Samek, *CLEVR-XAI*, Information Fusion 2022; pointing that of Zhang et al., *Top-down
neural attention by excitation backprop*, IJCV 2018, without tolerance; insertion and deletion those of
Petsiuk et al., *RISE*, BMVC 2018, on ten steps, and with a blur where they delete to grey, so that one
curve suits all methods (`inspector explain` tests each with what it compares with itself); random weights
those of Adebayo et al., *Sanity checks for saliency maps*, NeurIPS 2018. Options are the defaults, but
{fewer}.

## Networks that read one patch

{networks} networks of 24x24 pixels built by hand: a linear one; a convolution whose units are open either
where it is light or where it is dark, a ReLU and a dense layer; the same with pooling; and one with a
second convolution around which the first one's maps go too. Each has its patch of 8x8 pixels at {places}
places. Weights are zero wherever anything outside the patch could come through, and noise there leaves
the output as it is to the last bit, so that relevance anywhere else is wrong. As what is read may speak
for the class or against it, the magnitude of signed maps counts. Class activation maps need a
convolution: they see fewer pictures.

{patch}

## The hair of `models/portraits`

{portraits} sample portraits with long dark hair that the network takes for Lars: by the way that they were
drawn, and by the causal check of `--regions`, the hair decides. Only what speaks for the class counts, that
is the positive part of signed maps. Dark hair is nearly black, so a method that multiplies by the picture
or compares it with a black one (input-x-gradient, lrp, and by default integrated-gradients and deeplift)
cannot see it, however much it matters: on such pictures choose another blank, as in
`-O integrated-gradients.blank=mean`.

{hair}

"""


def main(arguments: Sequence[str]) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="a Markdown file to write")
    parser.add_argument("--methods", nargs="*", help="only these; all by default")
    given = parser.parse_args(arguments)
    WORKSPACE.mkdir(parents=True, exist_ok=True)
    patch, hair = _patch_cases(), _hair_cases()
    options = ", ".join(
        f"{name} with {value} {key}" for name, each in _FEWER.items() for key, value in each.items()
    )
    text = _TEXT.format(
        fewer=options,
        unlearned=_UNLEARNED,
        networks=len(patch),
        places=len(one_patch_networks.PLACES),
        portraits=len(hair[0].subject),
        patch=_table(patch, given.methods, evidence=False),
        hair=_table(hair, given.methods, evidence=True),
    )
    print(text)
    if given.output:
        given.output.write_text(text, encoding="utf-8")


def _table(cases: Sequence[Case], wanted: Sequence[str] | None, *, evidence: bool) -> str:
    """A row for each method, the one that points best first; then the baselines."""
    rows = []
    chosen = [method for name, method in all_methods().items() if not wanted or name in wanted]
    plan = [(method, _FEWER.get(method.name, {})) for method in chosen]
    plan += [(_renamed(method), _OTHER) for method in chosen if method.name in _BLACK]
    for method, options in (*plan, *((each, {}) for each in BASELINES)):
        began = perf_counter()
        rows.append(scored(cases, method, options, evidence=evidence))
        print(f"{method.name}: {perf_counter() - began:.1f} s", file=sys.stderr, flush=True)
    known, baselines = rows[: -len(BASELINES)], rows[-len(BASELINES) :]
    known.sort(
        key=lambda row: [-float(np.mean(row.values[figure] or [0])) for figure in ("pointing", "mass")]
    )
    return "\n".join([HEAD, *(row.row() for row in (*known, *baselines))])


def _renamed(method: Method) -> Method:
    return replace(
        method, name=f"{method.name}, {', '.join(f'{key} {value}' for key, value in _OTHER.items())}"
    )


def _patch_cases() -> list[Case]:
    cases = []
    for network in one_patch_networks.build(WORKSPACE, _PICTURES):
        runner = Runner(Predictor(load(network.path), preprocess={"channels": "gray", "range": "0..1"}))
        asked = Subject(runner, network.pictures, (0,) * len(network.pictures))
        if not one_patch_networks.reads_the_patch_alone(network, asked.probabilities):
            raise RuntimeError(f"{network.name} reads more than its patch")
        targets = tuple(int(target) for target in asked.probabilities(network.pictures).argmax(axis=1))
        masks = np.repeat(network.mask[None], len(targets), axis=0)
        cases.append(Case(Subject(runner, network.pictures, targets), masks, len(targets)))
    return cases


def _hair_cases() -> list[Case]:
    """The portraits with long dark hair that are taken for Lars, and their hair."""
    path = WORKSPACE / "portraits.onnx"
    if not path.exists():
        convert(PORTRAITS / "lars.tflearn", path, request=Request(verify=False))
    ready = Predictor(load(path), preprocess={"channels": "gray", "range": "0..1"})
    explainer = Explainer(Runner(ready), (), trust=False)
    inputs, masks = [], []
    with (PORTRAITS / "samples" / "samples.csv").open(encoding="utf-8", newline="") as file:
        long_dark = [row["file"] for row in csv.DictReader(file) if row["long_dark"] == "True"]
    for name in long_dark:
        subject, _, _ = explainer.subject(PORTRAITS / "samples" / name, name)
        if subject.targets == (1,) and len(inputs) < _PORTRAITS:
            inputs.append(subject.inputs[0])
            with Image.open(PORTRAITS / "samples" / "masks" / f"{name[:2]}_hair.png") as image:
                masks.append(np.asarray(image.convert("L")) > 127)
    whole = Subject(explainer.runner, np.stack(inputs), (1,) * len(inputs))
    return [Case(whole, np.stack(masks), _UNLEARNED)]


if __name__ == "__main__":
    main(sys.argv[1:])
