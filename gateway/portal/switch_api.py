"""The switches in the portal's JSON API."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.portal.documents import json_answer
from gateway.portal.switch import SetMode, WatchedSwitches
from gateway.problems import problem
from gateway.switch.evidence.store import StoreError
from gateway.switch.run_time.setting import Unsettable


def switch_routes(switches: WatchedSwitches) -> list[Route]:
    """The endpoints of the switches, below the admin prefix.

    Args:
        switches: All of them.
    """
    api = _Api(switches)
    return [
        Route("/api/switches", api.all),
        Route("/api/switches/{name}", api.one),
        Route("/api/switches/{name}/set", api.set, methods=["POST"]),
    ]


class _Api:
    def __init__(self, switches: WatchedSwitches) -> None:
        self._switches = switches

    async def all(self, request: Request) -> Response:
        return await self._answer(request, self._all(request))

    async def one(self, request: Request) -> Response:
        return await self._answer(request, self._one(request))

    async def set(self, request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            # What a form of another site can send is no JSON.
            return problem(
                request.scope,
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "Send JSON: Content-Type: application/json.",
            )
        return await self._answer(request, self._set(request))

    async def _all(self, request: Request) -> dict[str, Any]:
        return {"switches": await self._switches.reports(origin_of(request))}

    async def _one(self, request: Request) -> dict[str, Any]:
        name = self._named(request)
        found = await self._switches.reports(origin_of(request))
        return next(one for one in found if one["switch"] == name)

    async def _set(self, request: Request) -> dict[str, Any]:
        name = self._named(request)
        return await self._switches.set(name, SetMode.model_validate_json(await request.body()))

    def _named(self, request: Request) -> str:
        name: str = request.path_params["name"]
        if name not in self._switches.names:
            raise LookupError(name)
        return name

    async def _answer(
        self, request: Request, document: Coroutine[Any, Any, dict[str, Any]]
    ) -> Response:
        """The document, or what kept it from being there."""
        try:
            return await json_answer(await document)
        except LookupError:
            known = ", ".join(self._switches.names) or "none: no mount has one"
            told = f"There is no such switch. Switches are: {known}."
            return problem(request.scope, HTTPStatus.NOT_FOUND, told)
        except ValidationError as error:
            told = " ".join(_sentence(fault) for fault in error.errors(include_url=False))
            return problem(request.scope, HTTPStatus.UNPROCESSABLE_ENTITY, told)
        except Unsettable as error:
            return problem(request.scope, HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        except StoreError as error:
            told = f"{sentence_of(str(error))} The modes that the workers know hold."
            return problem(request.scope, HTTPStatus.SERVICE_UNAVAILABLE, told)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody reads it


def origin_of(request: Request) -> str:
    """The gateway's address, as whoever asks sees it."""
    host = request.headers.get("host", "") or "127.0.0.1"
    return f"{request.scope.get('scheme', 'http')}://{host}"


def sentence_of(text: str) -> str:
    """A text as a sentence."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _sentence(fault: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    match fault["type"]:
        case "missing":
            return f"{where} is missing."
        case "extra_forbidden":
            return f"{where} is nothing that can be set."
        case "json_invalid":
            return f"The body is no JSON: {fault['ctx']['error']}."
    said = sentence_of(str(fault["msg"]))
    return f"{where}: {said}" if where else said
