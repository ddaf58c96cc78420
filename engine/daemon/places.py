"""Whether a server can listen at a path or a port: looked at before it tries."""

import os
import socket
from pathlib import Path
from urllib.parse import quote, urlsplit

from engine.errors import EngineUnavailable

LONGEST_SOCKET_PATH = 100
"""Bytes; the system's limit is 107."""


def can_be_named(path: Path) -> bool:
    """Whether an address can hold the path as it is, and the system takes it for a socket."""
    return quote(os.fsencode(path)) == str(path) and len(str(path)) <= LONGEST_SOCKET_PATH


def socket_trouble(path: Path) -> str:
    """What lies at a path instead of a socket, in words; empty where nothing does."""
    if path.is_socket() or not os.path.lexists(path):
        return ""
    return (
        f"something else than a socket lies at {path}, and stays there; "
        "name another path, or move it away"
    )


def clear(path: Path) -> None:
    """Remove the socket that a killed program left; nothing else.

    Raises:
        EngineUnavailable: a program listens there, or it is no socket.
    """
    if trouble := socket_trouble(path):
        raise EngineUnavailable(trouble)
    if path.is_socket():
        if not _is_left_over(path):
            raise EngineUnavailable(
                f"another program listens at {path}; end it, or name another path"
            )
        path.unlink(missing_ok=True)


def _is_left_over(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(1)
        try:
            caller.connect(str(path))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


def has_port(address: str) -> bool:
    """Whether an address names a host and a port of it, and nothing that no host is called."""
    try:
        parts = urlsplit(address)
        return bool(parts.hostname and parts.port) and quote(address, safe=":/+[]%") == address
    except ValueError:
        return False


def port_trouble(place: str) -> str:
    """Why nobody can listen at HOST:PORT now; empty where one can.

    A Flight server that cannot writes pages on what it leaves behind, and not why.
    """
    parts = urlsplit(f"//{place}")
    try:
        family, *_, address = socket.getaddrinfo(parts.hostname, parts.port)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return str(error.strerror or error)
    return ""
