"""Layer-wise relevance propagation gives what Captum gives, rule for rule, on three networks."""

from __future__ import annotations

from copy import deepcopy

import pytest
from peers import NEAR, NETWORKS, captum, relative, run

EPSILON, GAMMA = 0.01, 0.4
# What each of these makes is a sum. What only moves or picks numbers loses nothing to epsilon.
SUMS = ("Conv2d", "Linear", "Sum", "AdaptiveAvgPool2d")


def test_the_epsilon_rule(twin):
    found = run(twin, "lrp", rule="epsilon", epsilon=EPSILON)
    assert relative(found, relevance(twin, favoured=())) < NEAR


@pytest.mark.parametrize("rule", ["gamma", "composite"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_gamma_rule_where_there_are_no_biases(twins, name, rule):
    # Captum favours the positive weights alone, the paper, and so the product, a positive bias too.
    twin = twins[f"{name}-unbiased"]
    found = run(twin, "lrp", rule=rule, gamma=GAMMA, epsilon=EPSILON)
    expected = relevance(twin, favoured=("Conv2d", "Linear") if rule == "gamma" else ("Conv2d",))
    assert relative(found, expected) < NEAR
    assert relative(run(twin, "lrp", rule="epsilon", epsilon=EPSILON), expected) > 0.1


def relevance(twin, favoured):
    """Captum's relevance, float (N, height, width), with the gamma rule for some kinds of layers."""
    import torch
    from captum.attr import LRP

    module = deepcopy(twin.module)
    # Captum has rules for batch normalization too; the ONNX file has it inside the convolutions.
    for part in list(module.modules()):
        if isinstance(part, torch.nn.Sequential) and isinstance(part[1], torch.nn.BatchNorm2d):
            part[0] = torch.nn.utils.fusion.fuse_conv_bn_eval(part[0], part[1])
            del part[1]
    for part in module.modules():
        if not list(part.children()) and not isinstance(part, torch.nn.ReLU):
            part.rule = rule_for(type(part).__name__, favoured)
    # A picture has both signs: what reads it has the epsilon rule in the product, whatever the others have.
    first = next(part for part in module.modules() if isinstance(part, torch.nn.Conv2d))
    first.rule = rule_for("Conv2d", favoured=())
    return captum(twin, LRP, module).sum(axis=1)


def rule_for(kind, favoured):
    from captum.attr._utils.lrp_rules import EpsilonRule, GammaRule

    rule = GammaRule(GAMMA) if kind in favoured else EpsilonRule()
    rule.STABILITY_FACTOR = EPSILON if kind in SUMS else 1e-12
    return rule
