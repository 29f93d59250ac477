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
        ("rise", "blank", 0, "rise: blank is 0; expected a word"),
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
        ("occlusion", {"window": -3}, "window is -3 and step 1; expected 1 or more"),
        ("lrp", {"rule": "beta"}, "there is no rule 'beta'; expected epsilon, gamma or composite"),
        ("lrp", {"epsilon": 0.0}, "epsilon is 0.0 and gamma 0.25; expected more than 0, and 0 or more"),
        ("kernel-shap", {"samples": 1}, "samples is 1 and patches 30; expected 2 or more"),
        ("lime", {"patches": 1}, "samples is 500 and patches 1; expected 2 or more"),
        ("lime", {"width": 0.0}, "width is 0.0 and ridge 1.0; expected more than 0, and 0 or more"),
        (
            "rise",
            {"keep": 1.0},
            "masks is 1000, cells 8 and keep 1.0; "
            "expected 2 or more, 1 or more, and a number between 0 and 1",
        ),
        ("smoothgrad", {"samples": 0}, "samples is 0 and noise 0.15; expected 1 or more, and 0 or more"),
    ],
)
def test_an_option_out_of_range_is_refused(twins, name, given, message):
    with pytest.raises(OptionError) as caught:
        find(name).run(twins["pooled"].subject, given)
    assert caught.value.message == message


def test_a_function_becomes_a_method_and_stays_callable():
    @method("mine", paper="Nobody: Nothing, 2020", needs="forward", signed=False)
    def mine(subject, *, strength: int = 2):
        return Heatmaps(subject * strength)

    assert mine(3).values == 6
    assert mine.method.run(3, {"strength": 5}).values == 15
    assert dict(mine.method.options) == {"strength": 2}
