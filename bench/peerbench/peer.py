"""What a peer is: how to get it, start it, and read what it says. The peers themselves: `plain`, `scripted`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from peerbench.cases import Case, Kind

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "scripts"
VENVS = ROOT / ".venv-peers"
_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 60e3}


@dataclass(frozen=True, slots=True)
class Run:
    """One run to be made: *folder* is its own, for what the peer is given and what it writes."""

    case: Case
    seconds: int
    base: str
    body_file: Path
    folder: Path

    @property
    def url(self) -> str:
        return self.base + self.case.path

    def environment(self) -> dict[str, str]:
        """What the scripts of scripted peers are told."""
        return {
            "PEER_BASE": self.base,
            "PEER_URL": self.url,
            "PEER_KIND": self.case.kind,
            "PEER_BODY_FILE": str(self.body_file),
            "PEER_CONNECTIONS": str(self.case.connections),
            "PEER_SECONDS": str(self.seconds),
            "PEER_RATE": str(self.case.rate_per_s or 0),
            "PEER_FOLDER": str(self.folder),
        }


@dataclass(frozen=True, slots=True)
class Said:
    """A run in the peer's own words; None where it does not say. Times in ms but for the length of the run."""

    requests: int | None
    errors: int
    seconds: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None


class UnavailableError(Exception):
    """A peer is not on this machine, with the reason."""


@dataclass(frozen=True, slots=True)
class Program:
    """A peer that is on PATH or is not. Its Debian *package* tells the version when no option does."""

    name: str
    version_words: tuple[str, ...] = ()
    package: str = ""

    def find(self, *, install: bool) -> str:
        """Where the program is; *install* changes nothing. Raises UnavailableError."""
        found = shutil.which(self.name)
        if found is None:
            hint = f" (Debian: apt-get install {self.package})" if self.package else ""
            raise UnavailableError(f"{self.name} is not on PATH{hint}")
        return found

    def version(self, program: str) -> str:
        if not self.version_words:
            return output_of(["dpkg-query", "-W", self.package]).replace("\t", " ").strip() or "unknown"
        said = output_of([program, *self.version_words])
        line = next((line for line in said.splitlines() if any(c.isdigit() for c in line)), "")
        return line.partition("Copyright")[0].strip() or "unknown"


@dataclass(frozen=True, slots=True)
class Package:
    """A peer from PyPI, in a virtual environment of its own, so that no peer shapes another's packages."""

    name: str
    requirements: tuple[str, ...]
    program: str

    @property
    def _venv(self) -> Path:
        return VENVS / self.name

    @property
    def _stamp(self) -> Path:
        return self._venv / ".installed"

    def find(self, *, install: bool) -> str:
        """Where the program is, fetched first when *install* allows it. Raises UnavailableError."""
        wanted = "\n".join(self.requirements) + "\n"
        if not self._stamp.exists() or self._stamp.read_text() != wanted:
            if not install:
                raise UnavailableError("is not installed, and --no-install was given")
            self._install()
            self._stamp.write_text(wanted)
        return str(self._venv / "bin" / self.program)

    def version(self, program: str) -> str:
        names = [requirement.partition("=")[0] for requirement in self.requirements]
        code = "import importlib.metadata as m, sys; print(*(f'{n} {m.version(n)}' for n in sys.argv[1:]), sep=', ')"
        return output_of([str(Path(program).parent / "python"), "-c", code, *names]).strip()

    def _install(self) -> None:
        print(f"installing {', '.join(self.requirements)} into {self._venv.relative_to(ROOT)}", flush=True)
        pip = [str(self._venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for command in ([sys.executable, "-m", "venv", str(self._venv)], [*pip, *self.requirements]):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                raise UnavailableError(f"cannot be installed: {last}")


@dataclass(frozen=True, slots=True)
class Ours:
    """A peer that runs with the project's own Python."""

    package: str

    def find(self, *, install: bool) -> str:
        return sys.executable

    def version(self, program: str) -> str:
        code = "import importlib.metadata as m, sys; print(sys.argv[1], m.version(sys.argv[1]))"
        return output_of([program, "-c", code, self.package]).strip()


@dataclass(frozen=True, slots=True)
class Peer:
    """A load tester. *command* gets the program's path and the run, *parse* its standard output and the run.

    *length_by* tells where the run's length comes from: the peer's own word, or the script we gave it.
    """

    name: str
    scripted_in: str
    source: Program | Package | Ours
    command: Callable[[str, Run], list[str]]
    parse: Callable[[str, Run], Said]
    length_by: str = "its own word"
    latency_from: str = "send"
    can_pace: bool = False
    kinds: tuple[Kind, ...] = ("get", "json", "post")
    must_pace: bool = False
    at_least_s: int = 0
    note: str = ""

    def suits(self, case: Case) -> bool:
        if case.kind not in self.kinds:
            return False
        return not self.must_pace if case.rate_per_s is None else self.can_pace


def ms(number: str, unit: str) -> float:
    """A time as tools write it ("403.00", "us") in ms. Raises KeyError for a unit that is not known."""
    return float(number) * _MS[unit]


def output_of(command: list[str]) -> str:
    """All that *command* prints; empty when it cannot be started. Its exit code does not matter."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr
