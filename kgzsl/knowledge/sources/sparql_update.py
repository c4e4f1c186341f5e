"""Changes to a SPARQL 1.1 Update endpoint, sent only when somebody says so."""

from __future__ import annotations

import base64
import http.client
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from kgzsl.errors import InputError
from kgzsl.knowledge.sources.sparql_client import _default_agent, _opener, _short

__all__ = ["send_update"]

_LATER = (429, 502, 503, 504)


def send_update(
    url: str,
    update: str,
    *,
    auth: tuple[str, str] | None = None,
    timeout: float = 60.0,
    retries: int = 3,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """POST one update (``application/sparql-update``); a server that is busy is asked again after a pause.

    After a broken connection nothing is known of what the server did; so send what does no harm when it comes twice.

    Args:
        url: The update endpoint, http or https.
        update: SPARQL 1.1 Update.
        auth: (user, password) for basic authentication.
        timeout: Seconds.
        retries: How often to ask again.
        sleep: How to wait.

    Raises:
        InputError: No such address, or the endpoint refuses.
    """
    import urllib.error
    import urllib.request

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"{url!r} is no web address", remedy="give the update endpoint, such as https://host/update")
    if parts.username or parts.password:
        raise InputError("the address holds a password", remedy="give user and password apart from it")
    headers = {"Content-Type": "application/sparql-update", "User-Agent": _default_agent()}
    if auth is not None:
        token = base64.b64encode(f"{auth[0]}:{auth[1]}".encode()).decode()
        headers["Authorization"] = f"Basic {token}"
    problem = ""
    for attempt in range(retries + 1):
        if attempt:
            sleep(0.5 * 2 ** (attempt - 1))
        request = urllib.request.Request(url, update.encode("utf-8"), headers, method="POST")
        try:
            with _opener().open(request, timeout=timeout) as answer:
                answer.read(1 << 16)
                return
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(200).decode("utf-8", "replace").strip().split("\n")[0]
            if error.code not in _LATER:
                remedy = {
                    401: "give user and password",
                    403: "check whether this endpoint may be written to",
                    404: "check the address: update endpoints often end in /update or /statements",
                    405: "this looks like a query endpoint: give the one for updates",
                }
                raise InputError(
                    f"the endpoint refuses the update with {error.code}: {said}",
                    file=url,
                    remedy=remedy.get(error.code, "see the update with --dry-run"),
                ) from None
            problem = f"the endpoint answers {error.code}: {said}"
        except (OSError, http.client.HTTPException) as error:
            problem = f"the connection broke ({_short(error)})"
    raise InputError(
        f"{problem} ({retries + 1} tries)", file=url, remedy="check the address, or come back later; nothing is lost"
    )
