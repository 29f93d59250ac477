"""Activation functions."""

from __future__ import annotations

import math

import numpy as np

from converters.tensorflow.dtypes import Array
from converters.tensorflow.evaluator.rule import Operation, rule, simple

_SELU_SCALE, _SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


def _elu(value: Array) -> Array:
    return np.where(value < 0, np.expm1(np.minimum(value, 0)), value)


def _sigmoid(value: Array) -> Array:
    # The power is of a negative number on both sides, and cannot overflow.
    power = np.exp(-np.abs(value))
    result: Array = np.where(value < 0, power, 1) / (1 + power)
    return result


def _log_softmax(value: Array) -> Array:
    shifted = value - value.max(-1, keepdims=True)
    result: Array = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return result


def _softmax(value: Array) -> Array:
    powers = np.exp(value - value.max(-1, keepdims=True))
    result: Array = powers / powers.sum(-1, keepdims=True)
    return result


def _erf(value: Array) -> Array:
    return np.asarray(np.frompyfunc(math.erf, 1, 1)(value), np.float64)


def _erfc(value: Array) -> Array:
    return np.asarray(np.frompyfunc(math.erfc, 1, 1)(value), np.float64)


RELU = simple("Relu", lambda x: np.maximum(x, 0))
RELU6 = simple("Relu6", lambda x: np.clip(x, 0, 6))
ELU = simple("Elu", _elu)
SELU = simple("Selu", lambda x: _SELU_SCALE * np.where(x < 0, _SELU_ALPHA * _elu(x), x))
SIGMOID = simple("Sigmoid", _sigmoid)
TANH = simple("Tanh", np.tanh)
SOFTPLUS = simple("Softplus", lambda x: np.logaddexp(x, 0))
SOFTSIGN = simple("Softsign", lambda x: x / (1 + np.abs(x)))
SOFTMAX = simple("Softmax", _softmax)
LOG_SOFTMAX = simple("LogSoftmax", _log_softmax)
ERF = simple("Erf", _erf)
ERFC = simple("Erfc", _erfc)


@rule("LeakyRelu")
def leaky_relu(operation: Operation, value: Array) -> Array:
    """A smaller slope on the negative side."""
    return np.where(value < 0, value * operation.real("alpha", 0.2), value)
