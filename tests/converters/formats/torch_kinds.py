"""The networks of `torch_networks.py` as names in a module, `torch_kinds:float_cnn`."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch_networks


def __getattr__(name: str) -> Callable[[], torch.nn.Module]:
    kind = name.replace("_", "-")
    if kind not in torch_networks.KINDS:
        raise AttributeError(name)

    def build() -> torch.nn.Module:
        torch.manual_seed(0)
        network = torch_networks.stirred(torch_networks.KINDS[kind][0]())
        return torch_networks.quantised(network, (3, 8, 8)) if kind == "quantised" else network

    return build
