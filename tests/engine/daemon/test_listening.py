"""What `--listen` takes, and that anything else is refused before the daemon listens."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from engine.client import connect
from engine.daemon.listening import Address, asked_for, at_home
from engine.errors import EngineUnavailable, SettingsError
from engine.home import ENVIRONMENT, Home
from tests.certificates import self_signed
from tests.processes import end_all

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="makes a certificate: install the package openssl"
)


@pytest.mark.parametrize(
    "place", ["localhost:99999", "localhost:0", "localhost:x", "localhost", ":4", "[::1:4", ""]
)
def test_a_port_must_be_one(home: Home, place: str) -> None:
    with pytest.raises(SettingsError, match="a port between 1 and 65535, got 'grpc"):
        asked_for(home, f"grpc+tls://{place}", certificate="c", key="k")


@pytest.mark.parametrize("address", ["", "grpc+unix:///tmp/socket"])
def test_a_certificate_is_for_a_port(home: Home, address: str) -> None:
    for given in ({"certificate": "c", "key": ""}, {"certificate": "", "key": "k"}):
        with pytest.raises(SettingsError, match="--certificate and --key are for --listen"):
            asked_for(home, address, **given)


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("", "--listen takes grpc\\+unix://PATH, the path of a socket, got 'grpc\\+unix://'"),
        ("notes.txt", "something else than a socket lies at .*notes.txt, and stays there; name"),
        (".", "something else than a socket lies at .*, and stays there; name"),
        (
            "nowhere/a.sock",
            "--listen needs a folder that exists and can be written, got .*nowhere",
        ),
        ("notes.txt/a.sock", "--listen needs a folder that exists and can be written"),
        ("a b.sock", "may have letters, digits and /._~- alone, at most 100 bytes in all, got"),
        ("a" * 101, "may have letters, digits and /._~- alone, at most 100 bytes in all, got"),
    ],
)
def test_a_path_that_cannot_be_a_socket_is_refused(
    home: Home, place: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("mine")
    with pytest.raises(SettingsError, match=sentence):
        asked_for(home, f"grpc+unix://{place}", certificate="", key="")
    assert Path("notes.txt").read_text() == "mine"


def test_only_a_socket_at_which_nobody_listens_is_removed(home: Home) -> None:
    home.create()
    address = at_home(home)
    address.clear()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(home.socket))
        listening.listen()
        with pytest.raises(EngineUnavailable, match=r"another program listens at .*daemon\.sock"):
            address.clear()
        assert home.socket.is_socket()
    address.clear()
    assert not home.socket.exists()
    home.socket.write_text("mine")
    with pytest.raises(EngineUnavailable, match="something else than a socket lies at"):
        address.clear()
    assert home.socket.read_text() == "mine"


def test_a_lab_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "my lab, größe #2 (100%20)")
    monkeypatch.setenv(ENVIRONMENT, str(home.path))
    try:
        assert connect(home).runs() == []
    finally:
        end_all(home)


@needs_openssl
def test_files_that_are_no_certificate_with_its_key_are_named(home: Home, tmp_path: Path) -> None:
    home.create()
    (certificate, key), (_, other) = self_signed(tmp_path / "a"), self_signed(tmp_path / "b")
    neither, locked = tmp_path / "neither.pem", tmp_path / "locked.pem"
    neither.write_text("neither\n")
    locking = ("openssl", "rsa", "-aes256", "-passout", "pass:word", "-in", key, "-out", locked)
    subprocess.run(locking, check=True, capture_output=True)
    address = "grpc+tls://localhost:4433"
    with pytest.raises(SettingsError, match=r"--certificate .*neither.pem holds no certificate"):
        asked_for(home, address, certificate=str(neither), key=str(key))
    with pytest.raises(SettingsError, match=r"--key .*nowhere cannot be read: No such file"):
        asked_for(home, address, certificate=str(certificate), key=str(tmp_path / "nowhere"))
    for wrong in (neither, other, locked):
        with pytest.raises(SettingsError, match=f"--key {wrong} does not hold the private key"):
            asked_for(home, address, certificate=str(certificate), key=str(wrong))
    assert asked_for(home, address, certificate=str(certificate), key=str(key)).location == address


@needs_openssl
@pytest.mark.usefixtures("home")
def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"grpc+tls://127.0.0.1:{taken.getsockname()[1]}"
        command = (sys.executable, "-m", "engine", "serve", "--listen", address)
        pair = ("--certificate", certificate, "--key", key)
        ended = subprocess.run((*command, *pair), capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    told = ended.stderr.splitlines()[-1]
    assert (
        told == f"the daemon cannot listen at {address}: Address already in use; name another one"
    )


@pytest.mark.parametrize(
    ("place", "sentence"),
    [("192.0.2.1:4433", "Cannot assign"), ("no.such.invalid:4433", "not known|resolution")],
)
def test_a_port_of_no_address_of_this_machine_is_refused(place: str, sentence: str) -> None:
    with pytest.raises(EngineUnavailable, match=f"cannot listen at grpc.*{place}: .*{sentence}"):
        Address(f"grpc+tls://{place}").clear()
