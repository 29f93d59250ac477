"""A warning that says what helps."""

from __future__ import annotations


class Caution(str):
    """A sentence that a person should read although the work goes on.

    It is the sentence itself wherever a text is wanted; the command line shows its hint below.

    Attributes:
        hint: What helps, usually a command.

    Example:
        >>> Caution("net.onnx declares no labels", "inspector annotate net.onnx --labels labels.txt").hint
        'inspector annotate net.onnx --labels labels.txt'
    """

    hint: str

    def __new__(cls, sentence: str, hint: str = "") -> Caution:
        """Give a sentence its hint."""
        made = super().__new__(cls, sentence)
        made.hint = hint
        return made
