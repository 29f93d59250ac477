"""Pickles as data: each opcode is followed, and nothing that a pickle names is imported or called."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Protocol, cast

from converters.errors import SourceError
from converters.pickles.allowed import check_global

MAX_OPCODES = 1_500_000
"""What one pickle may hold: some 40,000 tensors, read within about two seconds."""

FETCH = "Fetch or export the file again."

Maker = Callable[[Sequence[Any]], object]
_MARK = object()
_PLAIN = (str, int, float, bool, bytes, type(None))
# Opcodes whose argument is the value itself.
_VALUES = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    )
)


class Stream(Protocol):
    """Where a pickle is read from."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes."""
        ...

    def readline(self) -> bytes:
        """Up to the next line break."""
        ...


@dataclass(frozen=True)
class Global:
    """A name that a pickle would import.

    Attributes:
        name: Module and name.
    """

    name: str


@dataclass(eq=False)
class Made:
    """What a call would have made.

    Attributes:
        maker: What would have been called.
        arguments: With what.
        state: What the object would have been given then.
    """

    maker: str
    arguments: tuple[Any, ...] = ()
    state: object = None


@dataclass(frozen=True)
class Machine:
    """What a pickle is read with.

    Attributes:
        where: What holds the pickle, as the start of an error's sentence.
        allowed: Globals that it may name; see `allowed.check_global`.
        makers: Global → what a call of it gives; a call of any other gives `Made`.
        persistent: What a persistent id stands for.
    """

    where: str
    allowed: Collection[str]
    makers: Mapping[str, Maker] = field(default_factory=dict)
    persistent: Callable[[object], object] = lambda identity: Made("persistent id", (identity,))

    def read(self, stream: Stream) -> Any:
        """Follow a pickle to its end and return what it describes.

        Raises:
            SourceError: It is damaged, or larger than any real one.
            UnsupportedError: It names a global that is not allowed.
        """
        return _Run(self).value(stream)

    def damaged(self, what: str) -> SourceError:
        """The error for a pickle that cannot be right."""
        return SourceError(f"{self.where}: is damaged: {what}", FETCH)


class _Run:
    """One pickle being followed: its stack and its memo."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def value(self, stream: Stream) -> Any:
        """Follow every opcode up to the last, whose value it is."""
        steps: dict[str, Callable[[Any], None]] = dict.fromkeys(_VALUES, self.stack.append)
        for name, argument in self._opcodes(stream):
            if name == "STOP":
                return self._take()
            step = steps.get(name)
            if step is None:
                step = getattr(self, f"_{name.lower()}", None)
                if step is None:
                    raise self.machine.damaged(f"the opcode {name} is in no pickle of tensors")
                steps[name] = step
            step(argument)
        raise self.machine.damaged("its pickle has no end")

    def _opcodes(self, stream: Stream) -> Iterator[tuple[str, Any]]:
        """Each opcode's name and argument."""
        import pickletools

        opcodes = enumerate(pickletools.genops(cast(IO[bytes], stream)))
        while True:
            try:
                count, (opcode, argument, _) = next(opcodes)
            except StopIteration:
                return
            except ValueError as error:
                # What pickletools says of bytes that are no pickle.
                raise self.machine.damaged(f"its pickle cannot be read ({error})") from error
            if count >= MAX_OPCODES:
                raise SourceError(
                    f"{self.machine.where}: its pickle has more than {MAX_OPCODES:,} opcodes; expected "
                    "tensors by name",
                    FETCH,
                )
            yield opcode.name, argument

    def _take(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise self.machine.damaged("its pickle takes more than it made")
        return self.stack.pop()

    def _top(self) -> Any:
        self.stack.append(self._take())
        return self.stack[-1]

    def _since_mark(self) -> list[Any]:
        """Everything since the last mark, which is taken too."""
        values: list[Any] = []
        while self.stack:
            value = self.stack.pop()
            if value is _MARK:
                return values[::-1]
            values.append(value)
        raise self.machine.damaged("its pickle takes more than it made")

    def _none(self, _: None) -> None:
        self.stack.append(None)

    def _newtrue(self, _: None) -> None:
        self.stack.append(True)

    def _newfalse(self, _: None) -> None:
        self.stack.append(False)

    def _proto(self, version: int) -> None:
        pass

    def _frame(self, size: int) -> None:
        pass

    def _mark(self, _: None) -> None:
        self.stack.append(_MARK)

    def _pop(self, _: None) -> None:
        self._take()

    def _pop_mark(self, _: None) -> None:
        self._since_mark()

    def _dup(self, _: None) -> None:
        self.stack.append(self._top())

    def _put(self, key: int) -> None:
        self.memo[key] = self._top()

    _binput = _long_binput = _put

    def _memoize(self, _: None) -> None:
        self.memo[len(self.memo)] = self._top()

    def _get(self, key: int) -> None:
        if key not in self.memo:
            raise self.machine.damaged("its pickle refers to what it never made")
        self.stack.append(self.memo[key])

    _binget = _long_binget = _get

    def _empty_tuple(self, _: None) -> None:
        self.stack.append(())

    def _tuple1(self, _: None) -> None:
        self.stack.append((self._take(),))

    def _tuple2(self, _: None) -> None:
        last, first = self._take(), self._take()
        self.stack.append((first, last))

    def _tuple3(self, _: None) -> None:
        last, middle, first = self._take(), self._take(), self._take()
        self.stack.append((first, middle, last))

    def _tuple(self, _: None) -> None:
        self.stack.append(tuple(self._since_mark()))

    def _empty_list(self, _: None) -> None:
        self.stack.append([])

    def _list(self, _: None) -> None:
        self.stack.append(self._since_mark())

    def _append(self, _: None) -> None:
        self._extend([self._take()])

    def _appends(self, _: None) -> None:
        self._extend(self._since_mark())

    def _extend(self, values: list[Any]) -> None:
        target = self._top()
        if isinstance(target, list):
            target.extend(values)

    def _empty_set(self, _: None) -> None:
        self.stack.append(Made("builtins.set"))

    _additems = _pop_mark

    def _frozenset(self, _: None) -> None:
        self.stack.append(Made("builtins.frozenset", tuple(self._since_mark())))

    def _empty_dict(self, _: None) -> None:
        self.stack.append({})

    def _dict(self, _: None) -> None:
        values = self._since_mark()
        self.stack.append({})
        self._update(values)

    def _setitem(self, _: None) -> None:
        value, key = self._take(), self._take()
        self._update([key, value])

    def _setitems(self, _: None) -> None:
        self._update(self._since_mark())

    def _update(self, values: list[Any]) -> None:
        target = self._top()
        if len(values) % 2:
            raise self.machine.damaged("its pickle has a key without a value")
        if isinstance(target, dict):
            target.update((_key(key), value) for key, value in zip(values[::2], values[1::2], strict=True))

    def _global(self, name: str) -> None:
        module, _, rest = name.partition(" ")
        self._name(module, rest)

    def _stack_global(self, _: None) -> None:
        name, module = self._take(), self._take()
        if not isinstance(name, str) or not isinstance(module, str):
            raise self.machine.damaged("its pickle names a global by something that is no text")
        self._name(module, name)

    def _name(self, module: str, name: str) -> None:
        full = f"{module}.{name}"
        check_global(full, self.machine.where, self.machine.allowed)
        self.stack.append(Global(full))

    def _inst(self, name: str) -> None:
        arguments = tuple(self._since_mark())
        self._global(name)
        self._call(self._take(), arguments)

    def _obj(self, _: None) -> None:
        called, *arguments = self._since_mark() or [None]
        self._call(called, tuple(arguments))

    def _reduce(self, _: None) -> None:
        arguments, called = self._take(), self._take()
        self._call(called, arguments)

    _newobj = _reduce

    def _newobj_ex(self, _: None) -> None:
        self._take()
        self._reduce(None)

    def _call(self, called: object, arguments: object) -> None:
        if not isinstance(called, Global) or not isinstance(arguments, tuple):
            raise self.machine.damaged("its pickle calls what is no global")
        make = self.machine.makers.get(called.name)
        self.stack.append(Made(called.name, arguments) if make is None else make(arguments))

    def _build(self, _: None) -> None:
        state, target = self._take(), self._top()
        if isinstance(target, Made):
            target.state = state

    def _persid(self, identity: str) -> None:
        self.stack.append(self.machine.persistent(identity))

    def _binpersid(self, _: None) -> None:
        self.stack.append(self.machine.persistent(self._take()))


def _key(value: Any) -> Any:
    """A key of a dictionary; what is more than plain stands for itself, because hashing it has no bounds."""
    plain = isinstance(value, _PLAIN) or (
        isinstance(value, tuple) and all(isinstance(part, _PLAIN) for part in value)
    )
    return value if plain else Made("key", (value,))
