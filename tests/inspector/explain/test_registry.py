"""The registry of methods: found by the package itself, told apart by their marks."""

from __future__ import annotations

import inspect
import pkgutil
import re

import pytest

from inspector.errors import OptionError
from inspector.explain import Heatmaps, all_methods, find, method, methods


def test_every_module_of_the_folder_holds_one_method():
    modules = [info.name for info in pkgutil.iter_modules(methods.__path__)]
    assert sorted(each.function.__module__.rpartition(".")[2] for each in all_methods().values()) == modules
    assert list(all_methods()) == sorted(all_methods())


@pytest.mark.parametrize("each", all_methods().values(), ids=lambda each: each.name)
def test_a_method_cites_its_paper_and_equation_and_has_a_default_for_every_option(each):
    assert re.search(r"\b(19|20)\d\d$", each.paper)
    text = inspect.getdoc(each.function)
    assert re.search(r"Reference:\n.*\b(equations?|section|theorem|algorithm)\b", text, re.DOTALL)
    for name, default in each.options.items():
        assert default is not inspect.Parameter.empty
        assert f"{name}: " in text
    assert each.needs in ("gradient", "forward")


def test_an_unknown_method_gets_the_nearest_names():
    with pytest.raises(OptionError) as caught:
        find("gradcam")
    assert caught.value.message.startswith("there is no method 'gradcam'; nearest: grad-cam")
    assert caught.value.hint == "-m grad-cam"
    with pytest.raises(OptionError) as caught:
        find("xyz")
    assert caught.value.message == f"there is no method 'xyz'; there are {', '.join(all_methods())}"


def test_an_unknown_option_is_refused_with_those_that_there_are():
    with pytest.raises(OptionError) as caught:
        find("smoothgrad").run(None, {"sample": 3})
    assert caught.value.message == "smoothgrad has no option 'sample'; its options: samples, noise"
    with pytest.raises(OptionError) as caught:
        find("gradient").run(None, {"steps": 3})
    assert caught.value.message == "gradient has no option 'steps'; its options: none"


@pytest.mark.parametrize(
    ("name", "option", "value", "message"),
    [
        ("rise", "masks", "many", "rise: masks is 'many'; expected a whole number"),
        ("rise", "masks", 2.5, "rise: masks is 2.5; expected a whole number"),
        ("rise", "masks", True, "rise: masks is True; expected a whole number"),
        ("rise", "keep", "half", "rise: keep is 'half'; expected a number"),
        ("rise", "keep", float("nan"), "rise: keep is nan; expected a number"),
        ("rise", "blank", 0, "rise: blank is 0; expected blur, mean, black or zero"),
    ],
)
def test_an_option_of_another_kind_is_refused(name, option, value, message):
    with pytest.raises(OptionError) as caught:
        find(name).run(None, {option: value})
    assert caught.value.message == message
    assert caught.value.hint == f"-O {name}.{option}={find(name).options[option]}"


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("integrated-gradients", {"steps": 0}, "steps is 0; expected 1 or more"),
        ("expected-gradients", {"samples": 0}, "samples is 0; expected 1 or more"),
        ("occlusion", {"window": -3}, "window is -3; expected 0 or more"),
        ("lrp", {"rule": "beta"}, "rule is 'beta'; expected epsilon, gamma or composite"),
        ("deeplift", {"blank": "white"}, "blank is 'white'; expected blur, mean, black or zero"),
        ("kernel-shap", {"samples": 1}, "samples is 1; expected 2 or more"),
        ("kernel-shap", {"patches": 5000}, "patches is 5000; expected 2 to 1000"),
        ("lime", {"patches": 1}, "patches is 1; expected 2 to 1000"),
        ("lime", {"patches": 100_000}, "patches is 100000; expected 2 to 1000"),
        ("lime", {"width": 0.0}, "width is 0.0; expected more than 0"),
        ("rise", {"keep": 1.0}, "keep is 1.0; expected a number between 0 and 1"),
        ("smoothgrad", {"samples": 0}, "samples is 0; expected 1 or more"),
        ("smoothgrad", {"noise": -1}, "noise is -1; expected 0 or more"),
        ("vargrad", {"samples": 1}, "samples is 1; expected 2 or more"),
    ],
)
def test_an_option_out_of_range_is_refused_before_there_is_a_picture_and_the_hint_names_it(
    name, given, message
):
    with pytest.raises(OptionError) as caught:
        find(name).check(given)
    assert caught.value.message == f"{name}: {message}"
    (option,) = given
    assert caught.value.hint == f"-O {name}.{option}={find(name).options[option]}"


@pytest.mark.parametrize(
    ("name", "option"), [("occlusion", "window"), ("occlusion", "step"), ("rise", "cells")]
)
def test_a_length_is_no_more_than_the_pictures_longer_side(name, option):
    one = find(name)
    one.check({option: 91}, (60, 91))
    one.check({option: 1000})
    with pytest.raises(OptionError) as caught:
        one.check({option: 92}, (60, 91))
    assert caught.value.message == f"{name}: {option} is 92; expected at most 91, the picture's longer side"


def test_a_picture_of_any_size_tells_the_length_when_it_is_there(twins):
    with pytest.raises(OptionError, match="the picture's longer side"):
        find("occlusion").run(twins["pooled"].subject, {"window": 10_000})


@pytest.mark.parametrize("name", ["Grad-CAM", "grad_cam", "GRAD_CAM", "grad-cam"])
def test_a_method_is_found_however_it_is_spelt(name):
    assert find(name) is all_methods()["grad-cam"]


def test_every_option_of_every_method_says_what_it_means():
    for each in all_methods().values():
        assert list(each.declared) == list(each.options)
        for option in each.declared.values():
            assert len(option.meaning) > 5
            assert option.choices or isinstance(option.default, (int, float))
            each.check({option.name: option.default})
    assert find("rise").declared["masks"].meaning == "How many masks at most."
    assert find("lrp").declared["rule"].choices == ("epsilon", "gamma", "composite")


def test_a_function_becomes_a_method_and_stays_callable():
    @method("mine", paper="Nobody: Nothing, 2020", needs="forward", signed=False)
    def mine(subject, *, strength: int = 2):
        return Heatmaps(subject * strength)

    assert mine(3).values == 6
    assert mine.method.run(3, {"strength": 5}).values == 15
    assert dict(mine.method.options) == {"strength": 2}
