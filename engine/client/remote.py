"""How a client reaches a daemon on another machine: over TLS, with the token of that home."""

import os
from pathlib import Path

from pyarrow import flight

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
        SettingsError: an address without TLS, no token, or no such certificate file.
    """
    address = os.environ.get(ADDRESS, "")
    if not address:
        return None
    if not address.startswith("grpc+tls://"):
        raise SettingsError(f"{ADDRESS} must be grpc+tls://HOST:PORT, got '{address}'")
    if not os.environ.get(TOKEN):
        raise SettingsError(f"{TOKEN} is not set; it is in the file `token` of the engine's home")
    trusted = os.environ.get(CERTIFICATE, "")
    try:
        roots = Path(trusted).read_bytes() if trusted else None
    except OSError as error:
        raise SettingsError(f"{CERTIFICATE}: {trusted} cannot be read: {error.strerror}") from None
    bearer = _BearerFactory(os.environ[TOKEN])
    return flight.FlightClient(address, tls_root_certs=roots, middleware=[bearer])
