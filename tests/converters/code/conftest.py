"""A folder with modules of somebody's own."""

from __future__ import annotations

import importlib
import sys

import pytest

from converters import code_child

TORCH = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)
        self.act = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(width, 2)

    def forward(self, image, scale=None):
        return {"logits": self.head(self.drop(self.act(self.conv(image)).mean((2, 3))))}

torch.manual_seed(0)
net = Net()

def make():
    return Net(6)

def fail():
    raise ValueError("no weights here")

class Wide(Net):
    def __init__(self, width):
        super().__init__(width)

class Fixed(Net):
    def forward(self, x):
        return x * 2 if x.shape[0] == 2 else x

class Branching(nn.Module):
    def forward(self, x):
        return x + 1 if x.sum() > 0 else x - 1

class Holder:
    net = net

number = 3
"""
JAX = """
import jax, jax.numpy as jnp
import numpy as np
from flax import linen, nnx

weights = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")

def scores(x):
    return jax.nn.softmax(x @ weights)

def strange(x):
    return jax.scipy.special.bessel_jn(x, v=1, n_iter=3)

def several(x, y):
    return x + y, x * y

class Scale:
    def __call__(self, x):
        return x * 2

scale = Scale()

class Net(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.head = nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, x):
        return {"logits": self.head(self.drop(jax.nn.relu(self.norm(self.conv(x)))).mean(axis=(1, 2)))}

net = Net(nnx.Rngs(0))

class Plain(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(2)(linen.relu(linen.Conv(4, (3, 3))(x)).mean((1, 2)))

module = Plain()
pair = module, module.init(jax.random.PRNGKey(0), jnp.zeros((1, 8, 8, 3)))
"""


class InlineChild:
    """What `Child` is, without a process."""

    def __init__(self, framework, source):
        pass

    def call(self, function, **arguments):
        module, _, name = function.partition(":")
        return getattr(importlib.import_module(module), name)(**arguments)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with modules, in which the command is run; the code is loaded in this process."""
    (tmp_path / "my_torch_nets.py").write_text(TORCH)
    (tmp_path / "my_jax_nets.py").write_text(JAX)
    (tmp_path / "my_broken_nets.py").write_text("import math\n\nmath.sqrt(-1)\n")
    (tmp_path / "my_needy_nets.py").write_text("import no_such_package_at_all\n")
    (tmp_path / "my_wrong_nets.py").write_text("def f(:\n")
    (tmp_path / "my_leaving_nets.py").write_text("import sys\nsys.exit(3)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    monkeypatch.setattr("converters.child.Child", InlineChild)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("my_")]:
        del sys.modules[name]
    clear_caches()


def clear_caches():
    from converters import jax_child
    from converters.pytorch import exported, module

    for cached in (code_child.load, jax_child._network, exported.opened, module.module):
        cached.cache_clear()
