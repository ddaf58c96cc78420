"""A daemon on another machine: reached over TLS with the token of its home, and not without."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import EngineUnavailable, SettingsError, connect
from engine.cli.main import main
from engine.client.remote import ADDRESS, CERTIFICATE, TOKEN
from engine.home import ENVIRONMENT, Home
from tests.certificates import self_signed
from tests.e2e.site import free_port

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="makes a certificate: install the package openssl"
)


@pytest.fixture
def address(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A daemon that listens on a TLS port, and what a client needs to reach it."""
    certificate, key = self_signed(tmp_path)
    address = f"grpc+tls://localhost:{free_port()}"
    daemon = subprocess.Popen(
        [
            *(sys.executable, "-m", "engine", "serve", "--listen", address),
            *("--certificate", str(certificate), "--key", str(key)),
        ]
    )
    deadline = time.monotonic() + 30
    while not home.daemon_info.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    monkeypatch.setenv(ADDRESS, address)
    monkeypatch.setenv(CERTIFICATE, str(certificate))
    yield address
    daemon.terminate()
    daemon.wait(timeout=30)


@pytest.mark.usefixtures("address")
def test_the_token_opens_the_door(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, home.token.read_text())
    assert connect().health()["home"] == str(home.path)
    assert home.token.stat().st_mode & 0o077 == 0


@pytest.mark.usefixtures("address")
def test_a_wrong_token_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "guess")
    with pytest.raises(EngineUnavailable, match="token is missing or wrong"):
        connect().health()


@pytest.mark.usefixtures("address")
def test_nobody_enters_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    with pytest.raises(SettingsError, match="GROKKING_LAB_TOKEN is not set"):
        connect().health()


@pytest.mark.usefixtures("address")
def test_the_command_line_takes_a_file_to_the_engine(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(TOKEN, home.token.read_text())
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "own"))
    file = tmp_path / "mine.csv"
    file.write_text("a,r,b\nb,r,c\n")
    assert main(["upload", str(file), "--as", "triples"]) == 0
    assert [kept.read_bytes() for kept in home.uploads.iterdir()] == [file.read_bytes()]
    assert not (tmp_path / "own").exists()


@pytest.mark.parametrize(
    "address", ["grpc+tcp://somewhere:1", "grpc+tls://", "grpc+tls://a", "grpc+tls://a b:1"]
)
def test_an_address_that_names_no_port_of_tls_is_refused(
    address: str, monkeypatch: pytest.MonkeyPatch, home: Home
) -> None:
    monkeypatch.setenv(ADDRESS, address)
    with pytest.raises(SettingsError, match=r"must be grpc\+tls://HOST:PORT, got 'grpc"):
        connect(home).health()


def test_what_cannot_be_shown_or_trusted_is_named(
    monkeypatch: pytest.MonkeyPatch, home: Home, tmp_path: Path
) -> None:
    monkeypatch.setenv(ADDRESS, "grpc+tls://localhost:1")
    monkeypatch.setenv(TOKEN, "two\nlines")
    with pytest.raises(SettingsError, match="GROKKING_LAB_TOKEN must be one word"):
        connect(home).health()
    monkeypatch.setenv(TOKEN, "word")
    (tmp_path / "notes.pem").write_text("none")
    monkeypatch.setenv(CERTIFICATE, str(tmp_path / "notes.pem"))
    with pytest.raises(SettingsError, match=r"GROKKING_LAB_CERTIFICATE: .*notes.pem holds no ce"):
        connect(home).health()
