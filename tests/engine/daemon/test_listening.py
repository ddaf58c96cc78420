"""What `--listen` takes, and that anything else is refused before the daemon listens."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from engine.daemon.listening import asked_for
from engine.errors import SettingsError
from engine.home import Home
from tests.certificates import self_signed

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
    assert f"the daemon cannot listen at {address}: another program" in ended.stderr
    assert "Traceback" not in ended.stderr
