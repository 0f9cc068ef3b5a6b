"""What a request can be refused with, in the form of OpenAI's API."""

from typing import Any

from starlette.responses import JSONResponse, Response

from nanogpt_cli.errors import MachineError, NanoGPTError, UsageError, is_out_of_memory
from nanogpt_cli.inference.server.worker import EngineDiedError


class ApiError(Exception):
    """A refusal: its HTTP status, what is wrong, and with which parameter."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.retry_after = retry_after

    def content(self) -> dict[str, Any]:
        """Return the body that says it."""
        kinds = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
        kind = kinds.get(
            self.status, "server_error" if self.status >= 500 else "invalid_request_error"
        )
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": error}

    def response(self) -> Response:
        """Return the answer that says it."""
        headers = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        return JSONResponse(self.content(), self.status, headers)


def to_api_error(error: Exception) -> ApiError:
    """Return what a client is told about an error: a bug's details stay here."""
    match error:
        case ApiError():
            return error
        case EngineDiedError():
            return ApiError(503, f"the engine {error}", code="engine_died", retry_after=30)
        case TimeoutError():
            return ApiError(504, "the engine does not answer", code="timeout")
        case UsageError():
            return ApiError(400, f"{error.message}; {error.hint}")
        case MachineError():
            return ApiError(503, error.message, code="machine_error", retry_after=5)
        case NanoGPTError():
            return ApiError(422, f"{error.message}; {error.hint}", code="model_unusable")
        case _ if is_out_of_memory(error):
            return ApiError(503, "out of memory", code="out_of_memory", retry_after=5)
    return ApiError(500, "the server failed; its log has the details", code="internal_error")
