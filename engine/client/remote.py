"""How a client reaches a daemon on another machine: over TLS, with the token of that home."""

import os
import ssl
from pathlib import Path

from pyarrow import flight

from engine.daemon.places import has_port
from engine.errors import SettingsError

ADDRESS = "GROKKING_LAB_ENGINE"
TOKEN = "GROKKING_LAB_TOKEN"
CERTIFICATE = "GROKKING_LAB_CERTIFICATE"


class _Bearer(flight.ClientMiddleware):  # pyright: ignore[reportUntypedBaseClass]
    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token

    def sending_headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._token}"}


class _BearerFactory(flight.ClientMiddlewareFactory):  # pyright: ignore[reportUntypedBaseClass]
    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token

    def start_call(self, info: flight.CallInfo) -> flight.ClientMiddleware:
        del info
        return _Bearer(self._token)


def remote_client() -> flight.FlightClient | None:
    """A client of `$GROKKING_LAB_ENGINE`, None where that is not set.

    `$GROKKING_LAB_CERTIFICATE` names a PEM file to trust, for a certificate of one's own.

    Raises:
        SettingsError: an address without TLS or port, no token, or a file without a certificate.
    """
    address = os.environ.get(ADDRESS, "")
    if not address:
        return None
    if not (address.startswith("grpc+tls://") and has_port(address)):
        raise SettingsError(f"{ADDRESS} must be grpc+tls://HOST:PORT, got '{address}'")
    token, trusted = os.environ.get(TOKEN, "").strip(), os.environ.get(CERTIFICATE, "")
    if not token:
        raise SettingsError(f"{TOKEN} is not set; it is in the file `token` of the engine's home")
    if not (token.isascii() and token.isprintable()):
        raise SettingsError(f"{TOKEN} must be one word, that of the file `token`; it is another")
    roots = _certificate(trusted) if trusted else None
    return flight.FlightClient(address, tls_root_certs=roots, middleware=[_BearerFactory(token)])


def _certificate(file: str) -> bytes:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
        return Path(file).read_bytes()
    except ssl.SSLError:
        raise SettingsError(f"{CERTIFICATE}: {file} holds no certificate in PEM") from None
    except OSError as error:
        raise SettingsError(f"{CERTIFICATE}: {file} cannot be read: {error.strerror}") from None
