"""The service's OpenAPI document as a page. Pure."""

import json
from typing import Any


def api_page(document: dict[str, Any]) -> str:
    """Return the page: every operation with its parameters, answers and an example, then every type."""
    lines = [
        "# HTTP API by OpenAPI",
        "",
        "Made from the service's own description, which it serves at `/openapi.json` and this site as"
        " [openapi.json](openapi.json). [The usage service's API](../api.md) explains the operations.",
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            lines += ["", *_operation(method.upper(), path, operation)]
    lines += ["", "## Types"]
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += ["", *_type(name, schema)]
    return "\n".join(lines) + "\n"


def _operation(method: str, path: str, operation: dict[str, Any]) -> list[str]:
    lines = [f"## {method} {path}", "", _text(operation["summary"]) + "."]
    if operation["parameters"]:
        lines += ["", "| parameter | in | type | |", "|---|---|---|---|"]
        for parameter in operation["parameters"]:
            required = "required" if parameter.get("required") else ""
            about = "; ".join(filter(None, (required, parameter.get("description", ""))))
            kind = _kind(parameter["schema"])
            lines.append(f"| `{parameter['name']}` | {parameter['in']} | {kind} | {_cell(about)} |")
    if "requestBody" in operation:
        lines += ["", f"Body: {_content(operation['requestBody'])}"]
    lines += ["", "| status | answer |", "|---|---|"]
    for status, response in operation["responses"].items():
        content = _content(response)
        lines.append(f"| {status} | {_cell(response['description'])}{': ' + content if content else ''} |")
    for title, part in (("Body", operation.get("requestBody", {})), ("Answer", operation["responses"].get("200", {}))):
        example = part.get("content", {}).get("application/json", {}).get("example")
        if example is not None:
            lines += [
                "",
                f"{title}, an example:",
                "",
                "```json",
                json.dumps(example, indent=2, ensure_ascii=False),
                "```",
            ]
    return lines


def _type(name: str, schema: dict[str, Any]) -> list[str]:
    lines = [f"### {name}", "", *([_text(schema["description"]), ""] if schema.get("description") else [])]
    if "properties" not in schema:
        return [*lines, _kind(schema) + "."]
    required = schema.get("required", [])
    lines += ["| field | type | |", "|---|---|---|"]
    for field, kind in schema["properties"].items():
        lines.append(f"| `{field}` | {_kind(kind)} | {'always' if field in required else ''} |")
    return lines


def _content(part: dict[str, Any]) -> str:
    kinds = [_kind(content["schema"]) for content in part.get("content", {}).values() if content.get("schema")]
    return ", ".join(dict.fromkeys(kinds))


def _kind(schema: dict[str, Any]) -> str:
    """Return a type in a few words; a named one as a link."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " or ".join(dict.fromkeys(_kind(choice) for choice in schema[word]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}" if isinstance(schema.get("items"), dict) else "list"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"map to {_kind(schema['additionalProperties'])}"
    limits = [f"{text} {schema[word]:,}" for word, text in (("minimum", "from"), ("maximum", "to")) if word in schema]
    return " ".join([str(schema.get("format", schema.get("type", "any"))), *limits])


def _cell(text: str) -> str:
    return _text(text).replace("|", "\\|")


def _text(text: str) -> str:
    return " ".join(text.split()).replace("<", "&lt;")
