"""Where the daemon listens: a socket in its home, and a TLS port for other machines on request."""

import hashlib
import hmac
import os
import secrets
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyarrow import flight

from engine.daemon.places import (
    LONGEST_SOCKET_PATH,
    can_be_named,
    clear,
    has_port,
    port_trouble,
    socket_trouble,
)
from engine.errors import EngineUnavailable, SettingsError
from engine.home import Home, atomic_write

UNIX, TLS = "grpc+unix://", "grpc+tls://"
TOKEN_BYTES = 32
GATE = "token"


@dataclass(frozen=True, slots=True)
class Address:
    """A place to listen at, with what protects it."""

    location: str
    security: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def clear(self) -> None:
        """Before it listens: a socket that a killed daemon left is removed, nothing else.

        Raises:
            EngineUnavailable: the place is taken, or no place of this machine.
        """
        if self.location.startswith(UNIX):
            clear(Path(self.location.removeprefix(UNIX)))
        elif trouble := port_trouble(self.location.removeprefix(TLS)):
            raise EngineUnavailable(
                f"the daemon cannot listen at {self.location}: {trouble}; name another one"
            )

    def close_to_others(self) -> None:
        """Once it listens: a socket is its owner's alone."""
        if self.location.startswith(UNIX):
            Path(self.location.removeprefix(UNIX)).chmod(0o600)


def at_home(home: Home) -> Address:
    """The socket in the home, or in a private folder where that path cannot be a socket's."""
    path = home.socket
    if not can_be_named(path):
        digest = hashlib.sha256(os.fsencode(home.path)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"grokking-lab-{os.getuid()}-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o077:
            raise EngineUnavailable(f"{folder} must belong to you alone; remove it and try again")
        path = folder / "daemon.sock"
    return _unix(path)


def asked_for(home: Home, address: str, *, certificate: str, key: str) -> Address:
    """The place that `--listen` names.

    A TLS port needs a certificate and its key (PEM), and lets in who shows the token of the home.

    Raises:
        SettingsError: another kind of address, a path where no socket can be made, or files that
            are missing or none of these.
    """
    if (certificate or key) and (not address or address.startswith(UNIX)):
        raise SettingsError(
            f"--certificate and --key are for --listen {TLS}HOST:PORT; add it, or leave them out"
        )
    if address.startswith(UNIX):
        return _unix(_place(address))
    if not address.startswith(TLS):
        raise SettingsError(
            f"--listen takes {UNIX}PATH or {TLS}HOST:PORT, got '{address}'; "
            "a port without TLS would let anyone on the network train here"
        )
    if not has_port(address):
        raise SettingsError(
            f"--listen takes {TLS}HOST:PORT with a port between 1 and 65535, got '{address}'"
        )
    if not (certificate and key):
        raise SettingsError(f"--listen {address} needs --certificate FILE and --key FILE (PEM)")
    pair = (_read("--certificate", certificate), _read("--key", key))
    _require_pair(certificate, key)
    gate = {GATE: TokenGate(token_of(home))}
    return Address(address, {"tls_certificates": [pair], "middleware": gate})


def _place(address: str) -> Path:
    """The path of a socket that can be made, or replaces one."""
    given = address.removeprefix(UNIX)
    if not given:
        raise SettingsError(f"--listen takes {UNIX}PATH, the path of a socket, got '{address}'")
    path = Path(given).absolute()
    if not can_be_named(path):
        raise SettingsError(
            f"--listen {UNIX}PATH may have letters, digits and /._~- alone, "
            f"at most {LONGEST_SOCKET_PATH} bytes in all, got {path}"
        )
    if not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
        raise SettingsError(
            f"--listen needs a folder that exists and can be written, got {path.parent}"
        )
    if trouble := socket_trouble(path):
        raise SettingsError(trouble)
    return path


def _read(flag: str, file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise SettingsError(f"{flag} {file} cannot be read: {error.strerror}") from None


def _require_pair(certificate: str, key: str) -> None:
    """Refuse here what the server would refuse without a word of the file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(certificate)
    except ssl.SSLError:
        raise SettingsError(f"--certificate {certificate} holds no certificate in PEM") from None
    try:
        context.load_cert_chain(certificate, key, password="")  # else it would ask for one
    except ssl.SSLError:
        raise SettingsError(
            f"--key {key} does not hold the private key of --certificate {certificate},"
            " in PEM and without a password"
        ) from None


def token_of(home: Home) -> str:
    """What a remote client must show: made once, in a file that only its owner can read."""
    if not home.token.exists():
        atomic_write(home.token, secrets.token_urlsafe(TOKEN_BYTES).encode())
        home.token.chmod(0o600)
    return home.token.read_text().strip()


class Visitor(flight.ServerMiddleware):  # pyright: ignore[reportUntypedBaseClass]
    """Whether the caller of one call has shown the token."""

    def __init__(self, *, known: bool) -> None:
        super().__init__()
        self.known = known


class TokenGate(flight.ServerMiddlewareFactory):  # pyright: ignore[reportUntypedBaseClass]
    """Looks at the token of every call; the server refuses those that show none.

    Refusing here already would leave the call open, and a server with an open call never ends.
    """

    def __init__(self, token: str) -> None:
        super().__init__()
        self._expected = f"Bearer {token}".encode()

    def start_call(
        self, info: flight.CallInfo, headers: Mapping[str, Sequence[str]]
    ) -> flight.ServerMiddleware:
        """Called before each call."""
        del info
        given = next(iter(headers.get("authorization", ())), "")
        return Visitor(known=hmac.compare_digest(given.encode(), self._expected))


def require_known(context: flight.ServerCallContext) -> None:
    """Refuse a call that came through a gate without the token."""
    visitor = context.get_middleware(GATE)
    if visitor is not None and not visitor.known:
        raise flight.FlightUnauthenticatedError("the token is missing or wrong")


def _unix(path: Path) -> Address:
    return Address(f"{UNIX}{path}")
