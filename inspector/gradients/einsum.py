"""The equation of an Einsum, every axis with a letter of its own."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

from inspector.gradients.node import Node


@dataclass(frozen=True)
class Einsum:
    """An equation without dots and spaces, and without a letter twice in a factor.

    Attributes:
        factors: A letter for each axis of each factor; behind those of the node, two for each diagonal.
        result: A letter for each axis of the result.
        diagonals: The factor and axis of each letter that its factor has once more before, which stands for a
            product with the identity.
    """

    factors: tuple[str, ...]
    result: str
    diagonals: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parsed(cls, node: Node, ranks: Sequence[int]) -> Einsum:
        """Read a node's equation.

        Args:
            node: The node.
            ranks: The rank of each factor.
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
        unused = [letter for letter in string.ascii_letters if letter not in equation]
        free, unused = unused[:dotted], unused[dotted:]
        if not arrow:
            letters = "".join(terms).replace(".", "")
            right = "..." * bool(dotted) + "".join(
                sorted(each for each in set(letters) if letters.count(each) == 1)
            )
        factors = [
            term.replace("...", "".join(free[dotted - (rank - len(term.replace("...", ""))) :]))
            for term, rank in zip(terms, ranks, strict=True)
        ]
        return cls._apart(factors, right.replace("...", "".join(free)), unused)

    @classmethod
    def _apart(cls, factors: Sequence[str], result: str, unused: Sequence[str]) -> Einsum:
        """The equation with another letter for each that stands in its factor once more."""
        letters, pairs, diagonals = iter(unused), [], []
        single = [list(factor) for factor in factors]
        for at, factor in enumerate(factors):
            for axis, letter in enumerate(factor):
                if letter in factor[:axis]:
                    single[at][axis] = next(letters)
                    pairs.append(letter + single[at][axis])
                    diagonals.append((at, axis))
        return cls((*map("".join, single), *pairs), result, tuple(diagonals))
