"""Programs that were saved in training mode, in inference mode; runs in the child process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from converters.errors import UnsupportedError

if TYPE_CHECKING:
    from torch.export import ExportedProgram

# Operation → the place of the argument that says whether it trains.
_TRAINS = {
    "aten.alpha_dropout.default": 2,
    "aten.batch_norm.default": 5,
    "aten.dropout.default": 2,
    "aten.dropout_.default": 2,
    "aten.feature_alpha_dropout.default": 2,
    "aten.feature_dropout.default": 2,
    "aten.instance_norm.default": 5,
    "aten.rrelu.default": 3,
    "aten.rrelu_.default": 3,
}
_SCRIPT_TRAINS = {
    name.replace(".default", "").replace("aten.", "aten::"): place for name, place in _TRAINS.items()
}
# Written for training alone: there is nothing to switch off.
_TRAINING_ONLY = {"aten.native_dropout.default", "aten._native_batch_norm_legit_functional.default"}
_FIRST = "Call .eval() on the module before it is {}, and save it again."


def set_to_inference(program: ExportedProgram, where: str) -> tuple[str, ...]:
    """Switch off what differs between training and inference, in place.

    Args:
        program: The program.
        where: The source, for messages.

    Returns:
        One sentence where something was switched.

    Raises:
        UnsupportedError: An operation exists for training alone.
    """
    found: dict[str, None] = {}
    for node in program.graph.nodes:
        name = str(node.target)
        if name in _TRAINING_ONLY:
            raise UnsupportedError(
                f"{where}: was exported in training mode: it calls {name.split('.')[1]}",
                _FIRST.format("exported"),
            )
        place = _TRAINS.get(name)
        if place is None or len(node.args) <= place or node.args[place] is not True:
            continue
        if name == "aten.instance_norm.default" and node.args[3] is None:
            # Without running averages, it takes those of the input in inference too.
            continue
        node.update_arg(place, False)
        found[name.split(".")[1].rstrip("_")] = None
    if not found:
        return ()
    program.graph_module.recompile()
    return (f"The program was exported in training mode: {', '.join(found)} set to inference.",)


def check_inference(graph: Any, where: str) -> None:
    """Refuse TorchScript that trains in inference mode too, because it was traced so.

    Args:
        graph: Its graph, everything inlined.
        where: The source, for messages.

    Raises:
        UnsupportedError: It does.
    """
    for node in graph.nodes():
        place = _SCRIPT_TRAINS.get(node.kind())
        averages = node.kind() != "aten::instance_norm" or node.inputsAt(3).toIValue() is not None
        if place is not None and averages and node.inputsAt(place).toIValue() is True:
            raise UnsupportedError(
                f"{where}: was traced in training mode: it calls {node.kind()}", _FIRST.format("traced")
            )
