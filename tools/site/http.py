"""The page of one service's HTTP API, from its OpenAPI document."""

from typing import Any

from deploy.local.names import PORTS
from tools.site.markdown import anchor, as_json, folded, section, table
from tools.site.shapes import Shapes

Operation = dict[str, Any]


def http_page(service: str, document: dict[str, Any]) -> str:
    schemas = document.get("components", {}).get("schemas", {})
    shapes = Shapes(service, schemas)
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    lines = [f"# {service}", "", *_opening(service, document), *_contents(operations)]
    for tag in dict.fromkeys(operation["tags"][0] for _, _, operation in operations):
        lines += section(2, tag.capitalize(), anchor(service, "tag", tag))
        for method, path, operation in operations:
            if operation["tags"][0] == tag:
                lines += _operation(method, path, operation, shapes)
    lines += [*section(2, "Shapes", anchor(service, "shapes")), "The bodies that the operations above speak of.", ""]
    return "\n".join([*lines, *shapes.sections(sorted(schemas))])


def _opening(service: str, document: dict[str, Any]) -> list[str]:
    said = document["info"].get("description")
    return [
        *([said, ""] if said else []),
        f"On a stack that `make up` has started it answers at `http://127.0.0.1:{PORTS[service]}`, with pages to try "
        f"it out at `/docs`. The document behind this page: [{service}.json](../contracts/openapi/{service}.json), "
        f"{document['info']['title']}, version {document['info']['version']}. What all services have in common: "
        "[](../http.md).",
        "",
    ]


def _contents(operations: list[tuple[str, str, Operation]]) -> list[str]:
    rows = [
        (f"[{operation['summary']}](#{operation['operationId']})", f"`{method} {path}`", f"`{_scope(operation)}`")
        for method, path, operation in operations
    ]
    return table(("operation", "request", "scope"), rows)


def _scope(operation: Operation) -> str:
    return operation.get("x-scope") or "none"


def _operation(method: str, path: str, operation: Operation, shapes: Shapes) -> list[str]:
    said = [operation["description"], ""] if operation.get("description") else []
    shops = "Keys that are bound to a shop may call it." if operation.get("x-shop-keys") else "Not for keys of a shop."
    return [
        *section(3, operation["summary"].rstrip("."), operation["operationId"]),
        f"```text\n{method} {path}\n```",
        "",
        *said,
        f"Scope `{_scope(operation)}`. {shops} Operation id `{operation['operationId']}`.",
        "",
        *_parameters(operation, shapes),
        *_body(operation, shapes),
        *_answers(operation, shapes),
    ]


def _parameters(operation: Operation, shapes: Shapes) -> list[str]:
    rows = [
        (
            f"`{each['name']}`",
            each["in"],
            shapes.type_of(each["schema"]),
            "yes" if each.get("required") else "",
            shapes.said({**each["schema"], "description": each.get("description", "")}),
        )
        for each in operation.get("parameters", [])
    ]
    return table(("parameter", "in", "type", "required", "what"), rows) if rows else []


def _body(operation: Operation, shapes: Shapes) -> list[str]:
    lines: list[str] = []
    for media in operation.get("requestBody", {}).get("content", {}).values():
        lines += [f"Body: {shapes.type_of(media['schema'])}.", ""]
        for title, value in _examples(media, shapes):
            lines += folded(title, as_json(value))
    return lines


def _answers(operation: Operation, shapes: Shapes) -> list[str]:
    rows: list[tuple[str, str, str]] = []
    shown: list[str] = []
    for status, response in operation["responses"].items():
        for media in response.get("content", {}).values() or [{}]:
            body = shapes.type_of(media["schema"]) if media.get("schema") else "no body"
            rows.append((status, body, response.get("description", "")))
            # Refusals all have one shape, which the page on HTTP shows.
            for title, value in _examples(media, shapes) if status < "400" else []:
                shown += folded(f"{title}: {status}", as_json(value))
    return [*table(("answer", "body", "when"), rows), *shown]


def _examples(media: dict[str, Any], shapes: Shapes) -> list[tuple[str, Any]]:
    """What stands at the media type, else what stands at its schema."""
    if "example" in media:
        return [("Example", media["example"])]
    if "examples" in media:
        return [(each.get("summary", name), each.get("value")) for name, each in media["examples"].items()]
    return [("Example", value) for value in shapes.examples(media.get("schema", {}))]
