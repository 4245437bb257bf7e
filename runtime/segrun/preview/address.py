"""The address that a run is served at: HOST:PORT."""

import re

from segdata.errors import InputError

_LOOPBACK = "127.0.0.1"
_ADDRESS = re.compile(r"((\[(?P<ipv6>[^\[\]/]+)\]|(?P<host>[^:\[\]/]*)):)?(?P<port>[0-9]{1,5})")


def parse_address(address: str) -> tuple[str, int]:
    """Return host and port of "HOST:PORT", "[IPV6]:PORT", ":PORT" or "PORT"; without a host it is this machine only.

    Port 0 is one that is free. Raises InputError for anything else.
    """
    parts = _ADDRESS.fullmatch(address)
    if parts is None or int(parts["port"]) > 65535:
        raise InputError(f"got {address!r} to serve at, need HOST:PORT such as {_LOOPBACK}:8080 or [::1]:8080")
    return parts["ipv6"] or parts["host"] or _LOOPBACK, int(parts["port"])
