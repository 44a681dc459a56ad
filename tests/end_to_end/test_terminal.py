"""A run on a real terminal: what is seen of it, its keys, and how it leaves the terminal behind."""

from __future__ import annotations

import json
import signal
import termios
import time
from pathlib import Path

import pytest

from hybridpress import control
from tests.end_to_end import stamps
from tests.support.command import assert_lawful
from tests.support.pseudo import OnTerminal

SCENARIO = Path(stamps.__file__)
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_stray_processes")]


def run_of(tmp_path: Path, *args: str) -> list[str | Path]:
    """A run at 100/s that tells when each iteration started."""
    folder = tmp_path / "stamps"
    folder.mkdir()
    files = ["--json", str(tmp_path / "result.json"), "--control", str(tmp_path / "control")]
    return ["run", SCENARIO, "--param", f"folder={folder}", "--processes", "1", "--qps", "100", *files, *args]


def events_of(tmp_path: Path) -> list[str]:
    result = json.loads((tmp_path / "result.json").read_text())
    assert_lawful(result)
    return [event["text"] for event in result["events"]]


def test_keys(tmp_path: Path) -> None:
    """Each key does what the last line says, and is seen at once; what was typed is not left on the screen."""
    typed = {
        "+": "qps 100 → 110",
        "-": "qps 110 → 99",
        "250\n": "qps 99 → 250",
        "1.5k\r": "qps 250 → 1,500",
        "p": "paused",
        " ": "resumed",
        "q": "stopped",
    }
    with OnTerminal(*run_of(tmp_path, "--duration", "1h")) as terminal:
        shown = terminal.wait_for(lambda text: "verdict" in text)
        assert "+ - a tenth   number Enter QPS   p pause   q stop" in shown
        assert terminal.attributes != terminal.before
        for keys, event in typed.items():
            terminal.type(keys)
            if event != "stopped":
                terminal.wait_for(lambda text, event=event: f"s  {event}" in text)  # type: ignore[misc]
        assert terminal.finish() in (0, 3)
        assert terminal.attributes == terminal.before
    assert events_of(tmp_path) == list(typed.values())


def test_it_fits_and_follows_the_size(tmp_path: Path) -> None:
    """On 80×24 title, progress and keys are on the screen at once; then the frame follows the size of the terminal."""
    with OnTerminal(*run_of(tmp_path, "--duration", "1h")) as terminal:
        shown = terminal.wait_for(lambda text: "verdict" in text)
        assert "stamps.py" in shown
        assert "Ctrl-C" in shown
        for columns, rows in ((200, 50), (60, 15), (120, 40)):
            terminal.resize(columns, rows)
            # What is read from the terminal may end in the middle of a frame.
            shown = terminal.wait_for(
                lambda text, columns=columns: _frame_width(text) == columns - 1 and "Ctrl-C" in text  # type: ignore[misc]
            )
            assert shown.count("  target ") == 1
        terminal.type("q")
        assert terminal.finish() in (0, 3)
        lines = [line for line in terminal.screen if line]
        assert any(line.startswith("QPS            asked 100/s") for line in lines)
        assert not any("━" in line for line in lines)


def _frame_width(text: str) -> int:
    """How wide the line is that says where the run is."""
    return max((len(line) for line in text.split("\n") if line.endswith("pressing")), default=0)


@pytest.mark.parametrize("how", ["Ctrl-C", "Ctrl-C twice", "SIGTERM"])
def test_left_sane(how: str, tmp_path: Path) -> None:
    """However the run is ended, the terminal is set as before, the frame is gone, and the summary stands there."""
    with OnTerminal(*run_of(tmp_path, "--duration", "1h")) as terminal:
        terminal.wait_for(lambda text: "verdict" in text)
        if how == "SIGTERM":
            terminal.process.send_signal(signal.SIGTERM)
        else:
            terminal.type("\x03" * (2 if "twice" in how else 1))
        assert terminal.finish() == 130
        assert terminal.attributes == terminal.before
        assert not terminal.emulator.cursor.hidden
        lines = [line for line in terminal.screen if line]
        assert "interrupted" in " ".join(lines)
        assert any(line.startswith("QPS            asked 100/s") for line in lines)
        assert not any("━" in line for line in lines)


def test_killed(tmp_path: Path) -> None:
    """Even where it could not say good-bye, the cursor is there, below the frame; the echo is the shell's matter."""
    with OnTerminal(*run_of(tmp_path, "--duration", "1h")) as terminal:
        terminal.wait_for(lambda text: "verdict" in text)
        terminal.process.kill()
        assert terminal.finish() == -signal.SIGKILL
        assert not terminal.emulator.cursor.hidden
        last = max(number for number, line in enumerate(terminal.screen) if line)
        assert terminal.emulator.cursor.y >= last
    control.found()  # removes what a killed run leaves behind


@pytest.mark.parametrize("plain", [[], ["--no-color"]], ids=["frames", "lines"])
def test_a_terminal_that_is_stopped(plain: list[str], tmp_path: Path) -> None:
    """Ctrl-S: nothing can be written any more. The run goes on, at its rate, to its end, and its files are written."""
    json_file = tmp_path / "result.json"
    with OnTerminal(*run_of(tmp_path, "--duration", "3s", *plain)) as terminal:
        terminal.wait_for(lambda text: "s  " in text and "100/s" in text)
        termios.tcflow(terminal.slave, termios.TCOOFF)
        until_s = time.monotonic() + 20
        while not json_file.exists() and time.monotonic() < until_s:
            time.sleep(0.05)
        assert json_file.exists(), "the run did not end while its terminal was stopped"
        termios.tcflow(terminal.slave, termios.TCOON)
        assert terminal.finish() in (0, 3)
        assert any(line.startswith("QPS            asked 100/s") for line in terminal.screen)
    found = json.loads(json_file.read_text())
    assert found["iterations"]["started"] == 300 == len(stamps.read(tmp_path / "stamps"))
    assert found["duration_s"] == 3
