"""Every derivative rule against float64 differences, on networks that hypothesis draws."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from gradient_cases import Array, Case, Declared, declared, doubled, true_gradients
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from inspector.gradients import RULES, backward

EXAMPLES = 8


def label(each: Declared) -> str:
    return f"{each.domain}.{each.op_type}-{each.factory.__name__}".lstrip(".")


@pytest.mark.parametrize("drawn", declared(), ids=label)
def test_a_rule_gives_the_gradient_that_differences_give(drawn: Declared) -> None:
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def check(data: st.DataObject) -> None:
        assert_right(drawn.factory(data.draw), seed=data.draw(st.integers(0, 2**16)))

    check()


def test_every_rule_is_tried() -> None:
    tried = {(each.domain, each.op_type) for each in declared()}
    assert {(rule.domain, rule.op_type) for rule in RULES} - tried == set()


def assert_right(tried: Case, seed: int) -> None:
    """Check one network: a valid graph, the forward value unchanged, and the gradients within 1e-5."""
    forward = tried.model()
    gradient = backward(forward, of=tried.target, wrt=tried.wrt)
    onnx.checker.check_model(gradient, full_check=True)
    value = tried.value(doubled(tried.inputs))
    seeds = np.asarray(np.random.default_rng([seed, 77]).standard_normal(value.shape), np.float32)
    run = onnxruntime.InferenceSession(gradient.SerializeToString(), providers=["CPUExecutionProvider"])
    names = {each.name for each in run.get_inputs()}
    feeds = {k: v for k, v in {**tried.inputs, "seed": seeds}.items() if k in names}
    outputs = dict(zip([each.name for each in run.get_outputs()], run.run(None, feeds), strict=True))
    close(outputs[tried.target], value, f"{tried.target}: {forward}", least=1.0, tolerance=1e-4)
    truth = true_gradients(tried, seeds.astype(np.float64))
    for name in tried.wrt:
        found = outputs[f"gradient/{name}"]
        assert found.shape == tried.inputs[name].shape, name
        assert found.dtype == tried.inputs[name].dtype, name
        close(found, truth[name], f"{name}: {forward}")


def close(found: Array, truth: Array, message: str, *, least: float = 1e-3, tolerance: float = 1e-5) -> None:
    """Compare relative to the largest number."""
    scale = max(float(np.abs(truth).max(initial=0.0)), least)
    np.testing.assert_allclose(found, truth, rtol=0, atol=tolerance * scale, err_msg=message)
