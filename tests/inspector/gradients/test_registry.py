"""Which rule is chosen, and that sets of rules never change."""

from __future__ import annotations

from inspector.gradients import RULES, Node, Rules, Value, vjp
from inspector.gradients.no_gradient import NO_GRADIENT


@vjp("Softmax", since=1)
def old(node: Node, grad: Value) -> Value:
    return grad


@vjp("Softmax", since=13)
def new(node: Node, grad: Value) -> Value:
    return grad


def test_the_newest_rule_that_the_version_allows_is_chosen() -> None:
    rules = Rules((old, new))
    assert [rules.find("", "Softmax", version) for version in (0, 1, 11, 13, 30)] == [
        None,
        old,
        old,
        new,
        new,
    ]
    assert rules.find("com.microsoft", "Softmax", 13) is None


def test_overriding_replaces_every_version_of_an_operator_and_leaves_the_original_alone() -> None:
    rules = Rules((old, new))
    changed = rules | old
    assert changed.find("", "Softmax", 30) is old
    assert rules.find("", "Softmax", 30) is new
    assert (len(rules), len(changed), list(RULES | Rules(()))) == (2, 1, list(RULES))


def test_sets_of_rules_are_keys() -> None:
    assert {Rules((old,)): 1}[Rules((old,))] == 1


def test_every_module_of_rules_is_found() -> None:
    found = {rule.op_type for rule in RULES}
    assert {
        "Conv",
        "MaxPool",
        "Gemm",
        "LRN",
        "Relu",
        "Reshape",
        "Gather",
        "Resize",
        "Add",
        "ReduceSum",
    } <= found


def test_no_operator_has_a_rule_and_stands_among_those_without_a_gradient() -> None:
    assert not {rule.op_type for rule in RULES if not rule.domain} & NO_GRADIENT


def test_every_operator_without_a_gradient_exists() -> None:
    from onnx import defs

    known = {schema.name for schema in defs.get_all_schemas()}
    assert NO_GRADIENT - known == set()
