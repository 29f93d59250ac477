"""The layer whose maps a class activation map is made of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inspector.errors import OptionError, UnknownLayerError
from inspector.explain import find


def test_the_last_convolutions_layer_is_found_and_named(by_hand):
    subject = by_hand().subject
    found = subject.target_layer
    assert (found.name, found.axes) == ("conv", "NCHW")
    assert find("grad-cam").run(subject, {}).layer == "conv"


def test_a_value_between_layers_may_be_asked_for(by_hand):
    subject = replace(by_hand().subject, layer="maps")
    assert (subject.target_layer.name, subject.target_layer.value) == ("maps", "maps")


def test_a_network_without_convolution_has_no_target_layer(by_hand):
    built = by_hand("linear")
    with pytest.raises(OptionError) as caught:
        find("grad-cam").run(built.subject, {})
    assert caught.value.message == (
        f"{built.path}: no convolution leads to 'logits'; a class activation map needs feature maps"
    )
    assert caught.value.hint == "Name a layer with --layer, or use another method: -m gradient, -m rise"


@pytest.mark.parametrize("asked", ["dense", "flat"])
def test_a_layer_without_maps_is_refused(by_hand, asked):
    built = by_hand()
    with pytest.raises(OptionError) as caught:
        find("layercam").run(replace(built.subject, layer=asked), {})
    assert caught.value.message == (
        f"{built.path}: '{asked}' has no feature maps; a class activation map needs some"
    )
    assert caught.value.hint == "Leave out --layer to have one found."


def test_an_unknown_layer_gets_the_nearest_names(by_hand):
    built = by_hand()
    with pytest.raises(UnknownLayerError, match="nearest: conv"):
        find("layercam").run(replace(built.subject, layer="cnv"), {})
