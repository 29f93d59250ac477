"""The derivative rules, one module for each family of operators; a rule put there is found by itself."""

from __future__ import annotations

from inspector.gradients.registry import Rules

__all__ = ["RULES"]

RULES = Rules.found_in(__name__, __path__)
