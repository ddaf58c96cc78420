"""What stands around a command: the lab's home, the output it writes to, Ctrl-C."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.cli.main import main
from engine.home import ENVIRONMENT
from tests.engine.cli.test_main import TINY

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.parametrize("place", ["file", "file/below"])
@pytest.mark.parametrize("verb", ["list", "serve", "upload"])
def test_a_home_that_cannot_be_used_is_named(
    verb: str,
    place: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    file = tmp_path / "file"
    file.write_text("a,b\n")
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / place))
    assert main([verb, str(file)] if verb == "upload" else [verb]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"the lab's home {tmp_path / place} cannot be used: ")
    assert err.endswith(f"; set {ENVIRONMENT} to a folder of your own\n")


@pytest.mark.parametrize("verb", ["list", "serve", "doctor"])
def test_a_home_that_is_a_file_is_told_as_that_alone(
    verb: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    monkeypatch.setenv(ENVIRONMENT, str(file))
    assert main([verb]) == 1
    told = "".join(capsys.readouterr()).splitlines()[-1].removeprefix("problems").strip()
    words = f"the lab's home {file} cannot be used: it is a file, not a folder"
    assert told == f"{words}; set {ENVIRONMENT} to a folder of your own"
    assert file.read_text() == "mine"


@pytest.mark.shared_lab
def test_what_the_terminal_cannot_show_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="ascii"))
    assert main(["sql", "SELECT NULL AS a, 'ö' AS b"]) == 0
    assert shown.getvalue() == b"a  b\n?  ?\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full: Linux has one")
@pytest.mark.parametrize("unbuffered", [False, True])
def test_output_that_cannot_be_written_is_told(
    unbuffered: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.FileIO("/dev/full", "w")
    file: Any = raw if unbuffered else io.BufferedWriter(raw)
    with io.TextIOWrapper(file, write_through=unbuffered) as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["presets"]) == 1
    assert capsys.readouterr().err == "the output cannot be written: No space left on device\n"


def test_a_command_works_without_an_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)  # as python has it where the shell closed it
    assert main(["presets"]) == 0


class Interrupted(io.StringIO):
    """A terminal at which Ctrl-C is pressed when the first line appears."""

    pressed = False

    def write(self, text: str) -> int:
        if not self.pressed:
            self.pressed = True
            raise KeyboardInterrupt
        return super().write(text)


def test_ctrl_c_ends_with_status_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", Interrupted())
    assert main(["presets"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.shared_lab
def test_ctrl_c_leaves_a_waited_for_run_alone_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Interrupted()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["run", "quick", *TINY, "--wait"]) == 130
    assert terminal.getvalue() == "interrupted; runs go on in the engine\n"


@pytest.mark.parametrize("loading", ["data", "numpy", "engine.config", "engine.cli.main"])
def test_ctrl_c_while_the_command_line_loads_is_one_line(loading: str) -> None:
    code = f"""
import runpy, sys
class Pressed:
    def find_spec(self, name, *_):
        if name == {loading!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Pressed())
runpy.run_module("engine", run_name="__main__")
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (answer.returncode, answer.stderr) == (130, "interrupted\n")
