"""Answers of the server: JSON, arrays as bytes, and errors of this package as their sentences."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from element_facerhythm.errors import RequestError
from element_facerhythm.files.texts import parse_json

MOST_BODY_BYTES = 4 * 2**20


def error_answer(_request: Request, error: Exception) -> Response:
    """Answer for an error of this package: 422 for a wrong request, 500 where the work failed.

    Parameters
    ----------
    _request
        What was asked.
    error
        What was raised.
    """
    status = 422 if isinstance(error, RequestError) else 500
    return JSONResponse({"error": str(error), "type": type(error).__name__}, status)


def array_answer(arrays: Mapping[str, Any], facts: Mapping[str, Any] | None = None) -> Response:
    """Arrays as bytes: a line of JSON that says what follows, then the arrays, each at a multiple of 8 bytes.

    Parameters
    ----------
    arrays
        By name; float32, float16, int32, uint8 or bool.
    facts
        Further entries of the line.
    """
    parts, entries, place = [], {}, 0
    for name, array in arrays.items():
        data = np.ascontiguousarray(array)
        data = data.view(np.uint8) if data.dtype == bool else data
        entries[name] = {"dtype": data.dtype.name, "shape": list(data.shape), "offset": place}
        padding = -data.nbytes % 8
        parts += [data.tobytes(), bytes(padding)]
        place += data.nbytes + padding
    head = json.dumps({**(facts or {}), "arrays": entries}, allow_nan=False).encode()
    head += b" " * (-(len(head) + 1) % 8) + b"\n"
    return Response(head + b"".join(parts), media_type="application/octet-stream")


async def body_of(request: Request) -> dict[str, Any]:
    """Return the JSON object that a request brings.

    Raises
    ------
    RequestError
        It is none, or too large.
    """
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MOST_BODY_BYTES:
            raise RequestError(f"the request is larger than {MOST_BODY_BYTES >> 20} MB")
    try:
        value = parse_json(data.decode() or "{}")
    except ValueError as error:
        raise RequestError(f"the request is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise RequestError(f"the request holds a {type(value).__name__}; expected an object")
    return value


def number_in(request: Request, name: str, default: int) -> int:
    """Return a whole number of the query.

    Parameters
    ----------
    request
        Its query is read.
    name, default
        Of the number; the default where it is not given.

    Raises
    ------
    RequestError
        It is none.
    """
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        return int(text)
    except ValueError as error:
        raise RequestError(f"{name} is {text!r}; expected a whole number") from error
