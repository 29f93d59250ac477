"""The equation of an Einsum, every axis with a letter of its own."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

from inspector.gradients.node import Node


@dataclass(frozen=True)
class Einsum:
    """An equation without dots and spaces.

    Attributes:
        factors: A letter for each axis of each factor.
        result: A letter for each axis of the result.
    """

    factors: tuple[str, ...]
    result: str

    @classmethod
    def parsed(cls, node: Node, ranks: Sequence[int]) -> Einsum:
        """Read a node's equation.

        Args:
            node: The node.
            ranks: The rank of each factor.

        Raises:
            GradientError: A factor has the same letter twice.
        """
        equation = node.attr("equation", "").replace(" ", "")
        left, arrow, right = equation.partition("->")
        terms = left.split(",")
        dotted = max(
            (
                rank - len(term.replace("...", ""))
                for term, rank in zip(terms, ranks, strict=True)
                if "..." in term
            ),
            default=0,
        )
        free = [letter for letter in string.ascii_letters if letter not in equation][:dotted]
        if not arrow:
            letters = "".join(terms).replace(".", "")
            right = "..." * bool(dotted) + "".join(
                sorted(each for each in set(letters) if letters.count(each) == 1)
            )
        factors = tuple(
            term.replace("...", "".join(free[dotted - (rank - len(term.replace("...", ""))) :]))
            for term, rank in zip(terms, ranks, strict=True)
        )
        for term, factor in zip(terms, factors, strict=True):
            if len(set(factor)) < len(factor):
                raise node.refuse(
                    f"has no gradient with a diagonal ({term!r}); expected each letter once in a factor"
                )
        return cls(factors, right.replace("...", "".join(free)))
