"""Ways of doing the same, each in a process of its own, timed in turn.

In one process they would disturb each other: the threads of onnxruntime and of PyTorch go on spinning for a
while after a run, and take the cores from whoever runs next.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

Times = dict[str, list[float]]
# By then the threads of the side before sleep.
_SETTLE = 0.1


class Side:
    """A process that waits to be told to run its work, and says how long each run took.

    Args:
        name: What messages call it.
        command: The process; its script calls `serve`.
    """

    def __init__(self, name: str, *command: str | Path) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ready(self) -> bool:
        """Wait until it is: False when it ended instead, having said why on stderr."""
        return self._answer() == "ready"

    def run(self, times: int) -> list[float]:
        """Let it run once uncounted and then so many times; return the seconds of each.

        Raises:
            RuntimeError: It ended.
        """
        if self._process.stdin is None:
            raise RuntimeError(f"{self.name} takes no orders")
        print(times, file=self._process.stdin, flush=True)
        answer = self._answer()
        if not isinstance(answer, list):
            raise RuntimeError(f"{self.name} ended with exit code {self._process.wait()}")
        return answer

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> object:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        return json.loads(line) if line else None


@contextlib.contextmanager
def started(commands: Mapping[str, list[str | Path]]) -> Iterator[dict[str, Side]]:
    """Start a side for each command, one after the other; those that cannot do it are left out."""
    sides: dict[str, Side] = {}
    try:
        for name, command in commands.items():
            side = Side(name, *command)
            if side.ready():
                sides[name] = side
            else:
                side.end()
        yield sides
    finally:
        for side in sides.values():
            side.end()


def in_turn(sides: Mapping[str, Side], *, rounds: int, runs: int) -> Times:
    """Run all sides in turn; return the median seconds of each in each round."""
    times: Times = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            time.sleep(_SETTLE)
            times[name].append(statistics.median(side.run(runs)))
    return times


def ratio(times: Times, over: str, under: str) -> float:
    """The median over the rounds of one side's time in another's."""
    return statistics.median(a / b for a, b in zip(times[over], times[under], strict=True))


def shown(times: Times, name: str) -> str:
    """The median time of a side, in milliseconds or seconds."""
    seconds = statistics.median(times[name])
    return f"{1e3 * seconds:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def serve(work: Callable[[], object]) -> None:
    """Run `work` as often as each line of stdin says, and answer with the seconds of each run."""
    # What a library prints would be taken for an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps("ready"), file=answers, flush=True)
    for line in sys.stdin:
        work()
        seconds = []
        for _ in range(int(line)):
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)
        print(json.dumps(seconds), file=answers, flush=True)
