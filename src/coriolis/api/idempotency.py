"""The header Idempotency-Key: a creation that a client repeats with it answers with what the first one made."""

import json
from typing import Annotated

from fastapi import Depends, Request

from coriolis.errors import InvalidInput
from coriolis.store.idempotency import CreationRequest

HEADER = "Idempotency-Key"
_LONGEST = 255


async def _creation_request(request: Request, project_id: str) -> CreationRequest | None:
    """None: the client sent no key. Raises InvalidInput for a key that cannot be stored."""
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not (0 < len(key) <= _LONGEST and key.isascii() and key.isprintable()):
        raise InvalidInput(message=f"{HEADER}: 1 to {_LONGEST} printable ASCII characters are allowed.")
    what = f"{request.method} {request.url.path}\n".encode()
    return CreationRequest(project_id, key, what + _canonical(await request.body()))


def _canonical(body: bytes) -> bytes:
    """The same for the same JSON, however it is spaced and ordered; what is none is refused later."""
    try:
        return json.dumps(json.loads(body), sort_keys=True).encode()
    except ValueError:
        return body


Creation = Annotated[CreationRequest | None, Depends(_creation_request)]
