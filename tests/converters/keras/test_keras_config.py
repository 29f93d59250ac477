"""What a configuration may hold: decided before Keras reads it."""

from pathlib import Path

import pytest

from converters.errors import UnsupportedError
from converters.keras.config import check, layers

PATH = Path("net.keras")
CODE = (
    "module:callable converts a model that somebody's own code builds: inspector convert package.module:build"
)


def sequential(*inner):
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "net", "layers": list(inner)}}


def layer(kind, name="odd", module="keras.layers", registered=None, **config):
    return {
        "module": module,
        "class_name": kind,
        "config": {"name": name, **config},
        "registered_name": registered,
    }


def refusal(config, **choices):
    with pytest.raises(UnsupportedError) as caught:
        check(config, PATH, trust=choices.get("trust", False))
    return caught.value


def test_a_lambda_is_refused_by_name_unless_trusted():
    held = sequential(layer("Dense", "first"), layer("Lambda", "twice", function=["4wE=", None, None]))
    error = refusal(held)
    assert error.message == (
        "net.keras: the layer 'twice' holds Python code (a Lambda), which would run; expected "
        "layers of Keras's own"
    )
    assert error.hint == "--trust lets it run. Use it only for a file whose author you trust."
    assert check(held, PATH, trust=True) == ("twice",)


def test_a_lambda_as_an_activation_is_refused_too():
    code = {"class_name": "__lambda__", "config": {"value": "4wE="}}
    assert refusal(sequential(layer("Dense", "first", activation=code))).message == (
        "net.keras: the layer 'first' holds Python code (a Lambda), which would run; expected "
        "layers of Keras's own"
    )


@pytest.mark.parametrize("trust", [False, True])
def test_a_custom_class_is_refused_and_told_what_converts_it(trust):
    error = refusal(sequential(layer("Gate", registered="mine>Gate", module="mine.layers")), trust=trust)
    assert error.message == "net.keras: the layer 'odd' is of the custom class 'mine>Gate', not Keras's own"
    assert error.hint == CODE


def test_a_class_of_another_module_is_never_imported():
    assert refusal(sequential(layer("system", module="os"))).message == (
        "net.keras: the layer 'odd' is of the custom class 'os.system', not Keras's own"
    )
    nested = {"module": "subprocess", "class_name": "Popen", "config": {"args": "true"}}
    assert refusal(sequential(layer("Dense", kernel_initializer=nested))).message == (
        "net.keras: the layer 'odd' is of the custom class 'subprocess.Popen', not Keras's own"
    )


@pytest.mark.parametrize(
    "module", ["keras.utils", "keras.src.utils.file_utils", "keras_evil.layers", "keras.layersx"]
)
def test_parts_of_keras_that_build_no_networks_are_foreign_too(module):
    assert refusal(sequential(layer("get_file", module=module))).message == (
        f"net.keras: the layer 'odd' is of the custom class '{module}.get_file', not Keras's own"
    )


def test_a_function_that_is_not_keras_own_is_refused():
    function = {
        "module": "builtins",
        "class_name": "function",
        "config": "mine",
        "registered_name": "function",
    }
    assert refusal(sequential(layer("Dense", activation=function))).message == (
        "net.keras: the layer 'odd' uses the function 'mine', not one of Keras's own"
    )
    function["config"] = "relu"
    assert check(sequential(layer("Dense", activation=function)), PATH, trust=False) == ()


@pytest.mark.parametrize("kind", ["TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"])
def test_layers_that_hold_a_foreign_program_are_refused(kind):
    assert refusal(sequential(layer(kind)), trust=True).message == (
        f"net.keras: the layer 'odd' is a {kind}, which runs a program of another framework"
    )


def test_layers_that_look_up_text_are_refused():
    error = refusal(sequential(layer("TextVectorization", vocabulary="/etc/passwd")))
    assert error.message == (
        "net.keras: the layer 'odd' is a TextVectorization, which looks values up in a table and has no "
        "ONNX counterpart"
    )
    assert error.hint == "Save a model that begins after it, and do its work before."


def test_a_stateful_layer_is_refused():
    assert refusal(sequential(layer("LSTM", stateful=True))).message == (
        "net.keras: the layer 'odd' is stateful: its answer depends on the call before; expected a network "
        "that computes its outputs from its inputs alone"
    )


@pytest.mark.parametrize(
    "function", ["io.write_file", "tf.io.read_file", "py_function", "numpy_function", "None"]
)
def test_functions_of_tensorflow_that_may_do_more_than_compute_are_refused(function):
    assert refusal(sequential(layer("TFOpLambda", function=function, module=""))).message == (
        f"net.keras: the layer 'odd' calls TensorFlow's function {function!r}, which is not known to compute "
        "and do nothing else"
    )


@pytest.mark.parametrize("function", ["math.add", "nn.relu", "__operators__.getitem", "concat", "tf.reshape"])
def test_functions_of_tensorflow_that_compute_are_taken(function):
    assert check(sequential(layer("TFOpLambda", function=function, module="")), PATH, trust=False) == ()


def test_what_training_notes_is_not_looked_at():
    held = sequential(layer("Dense"))
    held["compile_config"] = {"loss": {"module": "mine", "class_name": "Loss", "config": {}}}
    assert check(held, PATH, trust=False) == ()


def test_policies_of_numbers_are_no_layers_and_wrapped_layers_are():
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}}
    inner = layer("Dense", "each", dtype=policy)
    found = layers(sequential(layer("TimeDistributed", "every", layer=inner)))
    assert [(item.class_name, item.layer) for item in found] == [
        ("Sequential", "net"),
        ("TimeDistributed", "every"),
        ("Dense", "each"),
    ]


def test_nesting_without_end_is_no_matter():
    held = sequential()
    for _ in range(5000):
        held = sequential(held)
    assert check(held, PATH, trust=False) == ()
