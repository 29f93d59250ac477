"""Archives of PyTorch with other members than it saved."""

from __future__ import annotations

import zipfile

import pytest

from converters.errors import InspectorError


class Harmful:
    def __reduce__(self):
        return print, ("harm",)


def changed(source, target, **members):
    """A copy of an archive with other members; keys have `/` as `__`."""
    new = {key.replace("__", "/"): value for key, value in members.items()}
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as made:
        root = old.namelist()[0].partition("/")[0]
        for info in old.infolist():
            name = info.filename.removeprefix(f"{root}/")
            if name not in new:
                made.writestr(info.filename, old.read(info))
        for name, data in new.items():
            made.writestr(f"{root}/{name}", data)
    return target


def refusal(check, path) -> InspectorError:
    with pytest.raises(InspectorError) as caught:
        check(path)
    return caught.value
