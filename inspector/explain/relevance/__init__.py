"""Layer-wise relevance propagation as derivative rules: relevance is carried back in place of a gradient."""

from __future__ import annotations

from inspector.explain.relevance.roles import Roles, roles_of
from inspector.explain.relevance.rules import relevance_rules

__all__ = ["Roles", "relevance_rules", "roles_of"]
