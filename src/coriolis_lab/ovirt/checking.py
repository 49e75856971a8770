"""ASGI middleware that tests switch on: every XML body, in and out, goes through the validator."""

from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coriolis_lab.ovirt.markup import API_ROOT
from coriolis_lab.ovirt.validator import check


@dataclass
class CheckedApp:
    """`problems`: "GET /ovirt-engine/api/vms 200: /vms/vm[1]/…: …". `calls` counts the API's, `documents` what was
    checked of them: JSON is not.
    """

    app: ASGIApp
    problems: list[str] = field(default_factory=list)
    documents: int = 0
    calls: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(API_ROOT):
            await self.app(scope, receive, send)
            return
        self.calls += 1
        request, answer = bytearray(), bytearray()
        status, is_xml = 0, False

        async def take() -> Message:
            message = await receive()
            request.extend(message.get("body", b""))
            return message

        async def give(message: Message) -> None:
            nonlocal status, is_xml
            if message["type"] == "http.response.start":
                status = message["status"]
                is_xml = any(
                    name == b"content-type" and b"xml" in value for name, value in message["headers"]
                )
            else:
                answer.extend(message.get("body", b""))
            await send(message)

        await self.app(scope, take, give)
        call = f"{scope['method']} {scope['path']}"
        if request and 200 <= status < 300 and (b"content-type", b"application/xml") in scope["headers"]:
            self._check(f"{call} request", bytes(request))
        if is_xml:
            self._check(f"{call} {status}", bytes(answer))

    def _check(self, label: str, document: bytes) -> None:
        self.documents += 1
        self.problems += [f"{label}: {problem}" for problem in check(document)]
