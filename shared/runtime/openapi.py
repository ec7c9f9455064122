"""OpenAPI as it is answered: the bearer scheme, and every refusal that the application itself gives."""

from typing import Any

from fastapi import FastAPI

from shared.access.answers import Problem

Document = dict[str, Any]

_BEARER = "bearer"
_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "发行方签发的令牌 / a token of the issuer",
}
_REFUSALS = {
    400: "请求不可读 / not readable",
    401: "未登录 / not authenticated",
    403: "无此权限 / not entitled",
    404: "没有该对象 / no such thing",
    409: "与已有事实冲突，或尚未开启业务日期 / in conflict with what stands, or no business day is open",
    411: "缺少 Content-Length / its length is missing",
    413: "请求过大 / too large",
    414: "地址过长 / the address is too long",
    422: "请求不合规 / malformed or refused by a rule",
    429: "请求过于频繁，见 Retry-After / too many requests, see Retry-After",
    431: "请求头过大 / too many headers",
    500: "内部错误，未作任何处理 / a fault; nothing was done",
    503: "暂时不可用 / not available for a moment",
}
_ALWAYS, _WITH_BODY, _WITH_TOKEN = (400, 414, 431, 500, 503), (404, 409, 411, 413), (401, 403, 429)
_UNUSED = ("HTTPValidationError", "ValidationError")


def document(app: FastAPI) -> None:
    """Has the application's OpenAPI tell what its middleware and handlers answer beside its routes."""
    made = app.openapi

    def openapi() -> Document:
        known = app.openapi_schema is not None
        schema = made()
        if not known:
            _complete(schema)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(schema: Document) -> None:
    components = schema.setdefault("components", {})
    components["securitySchemes"] = {_BEARER: _SCHEME}
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            _secure(operation)
            _add_refusals(operation, path)
    for name in _UNUSED:
        schemas.pop(name, None)


def _secure(operation: Document) -> None:
    """The header that carries the token is a security scheme, not a parameter (OpenAPI 3.1 §4.12.2.1)."""
    parameters = operation.get("parameters", [])
    others = [one for one in parameters if (one["in"], one["name"].lower()) != ("header", "authorization")]
    if len(others) < len(parameters):
        operation["parameters"] = others
        operation["security"] = [{_BEARER: []}]


def _add_refusals(operation: Document, path: str) -> None:
    statuses = list(_ALWAYS)
    if "requestBody" in operation:
        statuses += _WITH_BODY
    if "security" in operation:
        statuses += _WITH_TOKEN
    if "{" in path:
        statuses.append(404)
    responses = operation["responses"]
    if "422" in responses or operation.get("parameters") or "requestBody" in operation:
        responses.pop("422", None)
        statuses.append(422)
    for status in statuses:
        responses.setdefault(str(status), _problem(_REFUSALS[status]))


def _problem(description: str) -> Document:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": description, "content": content}
