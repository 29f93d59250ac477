"""The operators without a gradient: piecewise constant, or no function of numbers at all.

Values that are no floats carry none either, so that comparisons and indices need no entry; they stand here
because a reader looks for them.
"""

from __future__ import annotations

NO_GRADIENT = frozenset(
    (
        # Steps.
        *("Ceil", "Floor", "Hardmax", "Round", "Sign"),
        # Comparison, logic and bits.
        *("And", "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual", "Not", "Or"),
        *("BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "Xor"),
        # Choices and places.
        *("ArgMax", "ArgMin", "NonMaxSuppression", "NonZero", "OneHot", "Shape", "Size", "Unique"),
        # Constants and chance.
        *("BlackmanWindow", "Constant", "ConstantOfShape", "EyeLike", "HammingWindow", "HannWindow", "Range"),
        *("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform"),
        "RandomUniformLike",
        # Texts.
        *("LabelEncoder", "RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit"),
        "TfIdfVectorizer",
    )
)
