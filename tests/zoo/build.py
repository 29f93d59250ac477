"""Build networks of the zoo for tests: `python tests/zoo/build.py FOLDER [NAME...]`; without a name, all.

Each network gets a folder of its own, FOLDER/NAME, which holds its source (a checkpoint saved right after a
tiny `fit()`, or a frozen graph) and NAME.npz:

    source            the file name, or the checkpoint prefix, within that folder
    inputs, outputs   tensor names in order ("input/X:0")
    x0, x1, ...       the inputs, batch 5, as a user would feed them
    y0, y1, ...       what the framework's own predict answers
    fitted0, ...      all that a network of tflearn was trained on
    preprocessed      whether the framework prepares the inputs with stored statistics outside the graph

TensorFlow keeps state for the life of a process, so tests run this in one of its own.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import math
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from registry import BATCH, PLAIN, TFLEARN, TRAINING_SAMPLES, Built, Saved

HERE = Path(__file__).parent
for module in sorted(HERE.glob("*networks.py")):
    importlib.import_module(module.stem)

NAMES = (*TFLEARN, *PLAIN)


def main(arguments: list[str]) -> int:
    if not arguments or (unknown := [name for name in arguments[1:] if name not in NAMES]):
        told = f"unknown: {', '.join(unknown)}\n" if arguments else ""
        sys.stderr.write(f"{told}usage: build.py FOLDER [NAME...]\nnames: {', '.join(NAMES)}\n")
        return 2
    # Where models/tflearn_compat.py is, for a checkout that is not installed.
    sys.path.append(str(HERE.parents[1]))
    for name in arguments[1:] or NAMES:
        build(Path(arguments[0]), name)
    return 0


def build(folder: Path, name: str) -> Path:
    """Build one network into `folder / name`, and return that folder."""
    import tensorflow.compat.v1 as tf

    # As tflearn does when it is imported: a network must not depend on those built before it.
    tf.disable_v2_behavior()
    own = folder.resolve() / name
    own.mkdir(parents=True, exist_ok=True)
    # A seed from the name: adding a network changes no other.
    seed = zlib.crc32(name.encode())
    rng = np.random.default_rng(seed)
    if name in TFLEARN:
        saved = _build_tflearn(own, name, seed, rng)
    else:
        with tf.Graph().as_default():
            tf.set_random_seed(seed)
            saved = PLAIN[name](own, rng)
    _write_answers(own / f"{name}.npz", saved)
    return own


def _build_tflearn(folder: Path, name: str, seed: int, rng: np.random.Generator) -> Saved:
    from models.tflearn_compat import fresh_graph, opened_model

    # tflearn drops what it computes for whitening into the working folder.
    with contextlib.chdir(folder), fresh_graph(seed=seed % 2**31) as tflearn:
        import tensorflow.compat.v1 as tf

        built = TFLEARN[name](tflearn, rng)
        built = built if isinstance(built, Built) else Built(built)
        with opened_model(tflearn, built.network) as model:
            inputs = [
                np.asarray(built.data[i]) if i in built.data else _random_like(tensor, rng)
                for i, tensor in enumerate(model.inputs)
            ]
            targets = [_random_targets(tensor, rng) for tensor in model.targets]
            with contextlib.redirect_stdout(io.StringIO()):
                # Copies, because tflearn's preprocessing changes the arrays that it is fed.
                fed = [x.copy() for x in inputs]
                model.fit(_alone(fed), _alone(targets), n_epoch=2, batch_size=4, run_id="zoo")
            _stir(model.session, rng)
            if built.saver is not None:
                model.trainer.saver = tf.train.Saver(**built.saver)
            model.save(str(folder / name))
            return _predicted(tflearn, model, built, name, inputs)


def _stir(session: Any, rng: np.random.Generator) -> None:
    """Add noise to the weights: barely trained, a network gives nearly the same answer to every input."""
    import tensorflow.compat.v1 as tf

    for variable in tf.trainable_variables():
        value = session.run(variable)
        scale = 1.4 / math.sqrt(math.prod(value.shape[:-1])) if value.ndim > 1 else 0.1
        # `load` goes through the initializer, so that nothing is added to the graph that is saved.
        variable.load(value + rng.normal(0, scale, value.shape).astype(value.dtype), session)


def _predicted(tflearn: Any, model: Any, built: Built, name: str, inputs: list[NDArray[np.generic]]) -> Saved:
    """Ask tflearn itself, which applies the preprocessing and switches training off."""
    outputs = built.outputs or (built.network,)
    feeds = {tensor.name: x[:BATCH] for tensor, x in zip(model.inputs, inputs, strict=True)}
    answers = {}
    for output in outputs:
        fed = {tensor: feeds[tensor.name].copy() for tensor in model.inputs}
        evaluator = tflearn.Evaluator([output], session=model.session)
        answers[output.name] = np.asarray(evaluator.predict(fed))
    preprocessed = any(evaluator.dprep_collection)
    return Saved(name, feeds, answers, fitted=inputs, preprocessed=preprocessed)


def _alone(arrays: list[NDArray[np.generic]]) -> object:
    """What `fit` takes: a list, or the array itself when there is one."""
    return arrays[0] if len(arrays) == 1 else arrays


def _random_like(tensor: Any, rng: np.random.Generator) -> NDArray[np.float32]:
    shape = (TRAINING_SAMPLES, *tensor.shape.as_list()[1:])
    return rng.standard_normal(shape).astype(np.float32)


def _random_targets(tensor: Any, rng: np.random.Generator) -> NDArray[np.generic]:
    """One-hot rows for several columns, numbers for anything else."""
    shape = tensor.shape.as_list()[1:]
    if len(shape) == 1 and shape[0] > 1:
        classes = rng.integers(0, shape[0], TRAINING_SAMPLES)
        return np.eye(shape[0], dtype=np.float32)[classes]
    return _random_like(tensor, rng)


def _write_answers(path: Path, saved: Saved) -> None:
    numbered = {"x": saved.inputs.values(), "y": saved.outputs.values(), "fitted": saved.fitted}
    arrays = {f"{name}{i}": array for name, values in numbered.items() for i, array in enumerate(values)}
    np.savez(
        path,
        allow_pickle=False,
        source=np.array(saved.source),
        inputs=np.array(list(saved.inputs)),
        outputs=np.array(list(saved.outputs)),
        preprocessed=np.array(saved.preprocessed),
        **arrays,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
