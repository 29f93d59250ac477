"""A certificate as text for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converters.difference import Difference

if TYPE_CHECKING:
    from converters.certificate import Certificate

# A table that a person reads: the rows of a long network that say nothing stay in the JSON.
_MOST_ROWS = 40


def summary(certificate: Certificate) -> str:
    """A few lines for a terminal."""
    lines = [f"{certificate.source} ({certificate.format}) → {_made_by(certificate)}"]
    lines += [f"  decided: {decision}" for decision in certificate.decisions]
    lines += [f"  {verdict_line(certificate)}"]
    lines += [f"  {row(item)}" for item in rows(certificate)]
    if certificate.unseen:
        lines.append(f"  without a value of their own in the model: {', '.join(certificate.unseen)}")
    return "\n".join(lines)


def verdict_line(certificate: Certificate) -> str:
    """What was compared, and what was found."""
    if not certificate.reference:
        return "NOT COMPARED with the source"
    inputs = []
    if certificate.trials:
        batches = ", ".join(str(trial.batch) for trial in certificate.trials)
        inputs.append(f"{_counted(len(certificate.trials), 'seed')}, batches of {batches}")
    if certificate.pictures:
        inputs.append(_counted(certificate.pictures, "picture"))
    compared = f"with {certificate.reference}: {'; '.join(inputs)}"
    return f"{certificate.verdict.upper()}, compared {compared}; largest differences:"


def rows(certificate: Certificate) -> list[Difference]:
    """What a table lists: layers, then outputs; a layer that is an output stands there as that alone.

    One that differs is listed as a layer too: it is judged by itself, on the source's own inputs.
    """
    outputs = {(item.name, item.value) for item in certificate.outputs}
    layers = (item for item in certificate.layers if (item.name, item.value) not in outputs or not item.equal)
    return [*layers, *certificate.outputs]


def row(item: Difference) -> str:
    """One layer or output in a line."""
    agreed = "" if item.top1 is None else f"   top class: {item.top1}"
    mark = "" if item.equal else "   ← differs"
    return f"{item.name:<28} {' of '.join(amount(item))}{agreed}{mark}"


def amount(item: Difference) -> tuple[str, str]:
    """How large a difference is, and of what."""
    if item.step:
        steps = f"{item.max_abs / item.step:.3g}"
        return f"{steps} step{'' if steps == '1' else 's'}", f"{item.step:.3g}"
    return f"{item.max_abs:.1e}", f"{item.largest:.3g}"


def markdown(certificate: Certificate) -> str:
    """A short page with the verdict, a table of differences, and what was decided."""
    parts = [
        f"# {_cell(certificate.source)}: {certificate.verdict}",
        f"{_cell(certificate.format)} → {_made_by(certificate)}. {_compared(certificate)}",
    ]
    found = rows(certificate)
    if found:
        parts.append("\n".join([*_HEAD, *(_table_row(item, certificate) for item in _shown(found))]))
    if len(found) > _MOST_ROWS:
        left = len(found) - len(_shown(found))
        parts.append(f"{_counted(left, 'row')} that are equal are left out; the JSON certificate has all.")
    for title, sentences in (
        ("Decisions", certificate.decisions),
        ("Warnings", certificate.warnings),
        ("Layers without a value of their own in the model", certificate.unseen),
        (
            "Files",
            [f"{each.name}, {each.bytes:,} bytes, SHA-256 {each.sha256}" for each in certificate.files],
        ),
        ("Checks passed before the comparison", certificate.gate),
        ("Versions", [f"{name} {version}" for name, version in certificate.versions.items()]),
    ):
        if sentences:
            parts.append("\n".join([f"## {title}", *(f"- {_cell(sentence)}" for sentence in sentences)]))
    return "\n\n".join(parts) + "\n"


_HEAD = (
    "| layer or output | value in the model | largest difference | allowed | top class | |",
    "| --- | --- | ---: | ---: | ---: | --- |",
)


def _table_row(item: Difference, certificate: Certificate) -> str:
    name = _cell(item.name)
    if item in certificate.outputs:
        name = f"**{name}** (output)"
    verdict = "equal" if item.equal else "**differs**"
    agreed = "" if item.top1 is None else str(item.top1)
    cells = (name, _cell(item.value), " of ".join(amount(item)), f"{item.allowed:.1e}", agreed, verdict)
    return f"| {' | '.join(cells)} |"


def _shown(rows: list[Difference]) -> list[Difference]:
    """All rows of a short table; of a long one those that differ, its ends, and the worst."""
    if len(rows) <= _MOST_ROWS:
        return rows
    worst = sorted(rows, key=lambda item: -item.part)[: _MOST_ROWS // 2]
    kept = {id(item) for item in (*rows[:5], *rows[-5:], *worst, *(r for r in rows if not r.equal))}
    return [item for item in rows if id(item) in kept]


def _compared(certificate: Certificate) -> str:
    line = verdict_line(certificate).partition(", compared ")[2].removesuffix("; largest differences:")
    return f"Compared {line}." if line else "Not compared with the source."


def _made_by(certificate: Certificate) -> str:
    return f"{certificate.engine}, opset {certificate.model['opset']}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _cell(text: str) -> str:
    """A stranger's name as plain text on one line of Markdown."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    for mark in "\\|`*_<>[]#":
        line = line.replace(mark, f"\\{mark}")
    return line
