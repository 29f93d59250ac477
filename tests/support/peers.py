"""What comparisons of explanations with other implementations share."""

from __future__ import annotations

import warnings

import numpy as np

from inspector.explain import find

NEAR = 1e-4
# Pooled maxima and dense layers; batch normalization and a residual sum; strides and a global mean.
NETWORKS = ("notebook", "residual", "pooled")


def relative(found, expected) -> float:
    """The largest difference as a part of the picture's largest expected magnitude, over the pictures.

    A map of nothing agrees with any other of nothing, so none is accepted.
    """
    wanted = np.asarray(expected, np.float64)
    assert found.shape == wanted.shape
    assert np.isfinite(found).all() and np.isfinite(wanted).all()
    axes = tuple(range(1, wanted.ndim))
    largest = np.abs(wanted).max(axis=axes)
    assert (largest > 1e-7).all(), "nothing is compared: an expected map is zero"
    return float((np.abs(found - wanted).max(axis=axes) / largest).max())


def run(twin, name, **options):
    """A method's heatmaps of the pictures, float32 (N, height, width)."""
    return find(name).run(twin.subject, options).values


def captum(twin, kind, module=None, **options):
    """Captum's attribution of the pictures, float (N, channels, height, width)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = kind(module or twin.module)
        targets = list(twin.subject.targets)
        return made.attribute(twin.x.requires_grad_(), target=targets, **options).detach().numpy()
