"""The page at `/docs`: the API's routes from its own OpenAPI description, without anything from elsewhere."""

import re
from html import escape
from typing import Any

EXAMPLES = {
    "/v1/fill": "curl -F photo=@photo.jpg -F mask=@mask.png -o filled.jpg {base}/v1/fill\n"
    "curl -F photo=@photo.jpg -F 'rule=region:bottom-right 18%x6%' -F reply=json {base}/v1/fill",
    "/v1/mask/{kind}": "curl -F photo=@photo.jpg -F 'settings={{\"dilate\": 3}}' -o mask.png {base}/v1/mask/text",
    "/v1/jobs": "curl -F photo=@photo.jpg -F mask=@mask.png {base}/v1/jobs",
    "/v1/jobs/{name}/events": "curl -N {base}/v1/jobs/ID/events",
    "/api/v1/inpaint": "curl -H 'Content-Type: application/json' -o filled.png {base}/api/v1/inpaint \\\n"
    "  -d '{{\"image\": \"'$(base64 -w0 photo.png)'\", \"mask\": \"'$(base64 -w0 mask.png)'\"}}'",
    "/cleanup/v1": "curl -F image_file=@photo.jpg -F mask_file=@mask.png -o filled.png {base}/cleanup/v1",
}
STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:960px;margin:2rem auto;padding:0 1rem}
pre,code{font:13px/1.5 ui-monospace,monospace}pre{background:#8881;padding:.7rem;overflow-x:auto;border-radius:6px}
summary{cursor:pointer;padding:.4rem 0}table{border-collapse:collapse}td{padding:.2rem .8rem .2rem 0;vertical-align:top}
b{display:inline-block;min-width:4.5rem}@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}a{color:#8bf}}"""


def docs_page(schema: dict[str, Any], base: str) -> str:
    """HTML of an OpenAPI description.

    Args:
        schema: the description.
        base: address of the server, for the examples.
    """
    groups: dict[str, list[str]] = {}
    info = schema["info"]
    title = escape(f"{info['title']} API {info['version']}")
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation.get("tags", ["other"])[0], []).append(
                _operation(schema, path, method, operation, base)
            )
    body = "".join(f"<h2>{escape(name[0].upper() + name[1:])}</h2>{''.join(parts)}" for name, parts in groups.items())
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{title}</title><style>{STYLE}</style><h1>{title}</h1><p>{_prose(info.get('description', ''))}</p>"
        f"<p><a href='openapi.json'>openapi.json</a></p>{body}</html>"
    )


def _operation(schema: dict[str, Any], path: str, method: str, operation: dict[str, Any], base: str) -> str:
    rows = [(p["name"], p.get("schema", {}), p.get("description", "")) for p in operation.get("parameters", [])]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        body = _resolved(schema, content.get("schema", {}))
        rows += [(name, part, part.get("description", "")) for name, part in body.get("properties", {}).items()]
    table = "".join(
        f"<tr><td><code>{escape(name)}</code><td>{escape(_type(part))}<td>{_prose(text)}" for name, part, text in rows
    )
    answers = operation.get("responses", {})
    codes = ", ".join(f"{code} {escape(answer.get('description', ''))}" for code, answer in answers.items())
    shown = path in EXAMPLES and (method == "post" or path.endswith("/events"))
    example = f"<pre>{escape(EXAMPLES[path].format(base=base))}</pre>" if shown else ""
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{escape(path)}</code> {escape(operation.get('summary', ''))}"
        f"</summary><p>{_prose(operation.get('description', ''))}</p><table>{table}</table>{example}"
        f"<p><small>{codes}</small></p></details>"
    )


def _prose(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))


def _resolved(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in part:
        for name in part["$ref"].removeprefix("#/").split("/"):
            schema = schema[name]
        return schema
    return part


def _type(values: dict[str, Any]) -> str:
    if "enum" in values:
        kind = " | ".join(str(v) or '""' for v in values["enum"])
    elif "anyOf" in values:
        kind = " | ".join(_type(v) for v in values["anyOf"])
    else:
        kind = "file" if "contentMediaType" in values or values.get("format") == "binary" else values.get("type", "any")
    return f"{kind}, {values['default']!r} by default" if values.get("default") not in (None, "") else kind
