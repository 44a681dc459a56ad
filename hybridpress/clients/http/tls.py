"""The TLS side of connections. Imported by the first https URL only: `ssl` is slow to load."""

from __future__ import annotations

import ssl

from hybridpress.errors import RequestError


def client_context(*, verify: bool, ca_file: str | None) -> ssl.SSLContext:
    """A context for clients: trusts the system's store, or *ca_file*, or whatever comes.

    Raises:
        RequestError: *ca_file* cannot be read or holds no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise RequestError(f"ca_file must be a file of PEM certificates, got {ca_file!r}: {error}") from None
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
