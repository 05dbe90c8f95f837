"""The served model's routes as an OpenAPI 3.1 document, and a self-contained page of it."""

import html
import json
from collections.abc import Mapping
from typing import Any

from socorpus.labeling.schema import Task

JSON = "application/json"
Document = dict[str, Any]


def document(task: Task, version: str, limits: Mapping[str, int], *, token: bool) -> Document:
    """All routes of a served model.

    Args:
        limits: `texts` of a request, `chars` of a text, `bytes` of a body.
        token: whether a token is required.
    """
    content: Document = {
        "openapi": "3.1.0",
        "info": {
            "title": f"socorpus: {task.name}",
            "version": version,
            "description": f"A fine-tuned model of the task {task.name}: over HTTP, and as a Label Studio ML backend. "
            "Offsets are Unicode code points of the text that was sent.",
        },
        "paths": _paths(),
        "components": {"schemas": _schemas(task, limits)},
    }
    if not token:
        for operation in (entry for methods in content["paths"].values() for entry in methods.values()):
            del operation["responses"]["401"]
    else:
        content["security"] = [{"token": []}, {"password": []}]
        content["components"]["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": "Authorization: Bearer TOKEN"},
            "password": {"type": "http", "scheme": "basic", "description": "Any user, and the token as password."},
        }
    return content


def _paths() -> Document:
    model = "Model"
    return {
        "/": {"get": _operation("Whether the server is up (as /health)", {"200": ("It is", "Health")}, ())},
        "/health": {"get": _operation("Whether the server is up, and how busy", {"200": ("It is", "Health")}, ())},
        "/metrics": {"get": _operation("Counters for Prometheus", {"200": ("Counters", "text/plain")}, ())},
        "/openapi.json": {"get": _operation("This document", {"200": ("The document", "Anything")}, ())},
        "/docs": {"get": _operation("This document as a page", {"200": ("The page", "text/html")}, ())},
        "/v1/model": {"get": _operation("Task, labels and version", {"200": ("The model", model)}, ())},
        "/v1/predict": {
            "post": _operation("Predictions for texts", {"200": ("For each text", "Answer")}, _BODY, "Request")
        },
        "/setup": {
            "post": _operation(
                "Label Studio: may this project use the model?", {"200": ("It may", "Version")}, _SMALL, "Setup"
            )
        },
        "/predict": {
            "post": _operation(
                "Label Studio: suggestions for tasks", {"200": ("For each task", "Suggestions")}, _BODY, "Tasks"
            )
        },
        "/webhook": {
            "post": _operation(
                "Label Studio: somebody judged a task; it is counted", {"201": ("Counted", "Status")}, _SMALL, "Event"
            )
        },
        "/versions": {"get": _operation("Label Studio: versions of the model", {"200": ("One", "Versions")}, ())},
    }


_SMALL = ("400", "408", "413", "422")
_BODY = (*_SMALL, "500", "503")
_ERRORS = {
    "400": "The body is not JSON",
    "401": "The token is missing or wrong",
    "408": "The body did not come in time",
    "413": "Too much: bytes, texts, or characters of a text",
    "422": "Something is missing, or of the wrong type; the message says what and where",
    "500": "The model failed",
    "503": "Too many texts are waiting; Retry-After has seconds",
}


def _operation(summary: str, good: Mapping[str, tuple[str, str]], bad: tuple[str, ...], body: str = "") -> Document:
    responses: Document = {code: _response(text, schema) for code, (text, schema) in good.items()}
    for code in ("401", *bad):
        responses[code] = _response(_ERRORS[code], "Error")
        if code == "503":
            responses[code]["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}
    operation: Document = {"summary": summary, "responses": responses}
    if body:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": _reference(body)}}}
    return operation


def _response(text: str, schema: str) -> Document:
    if "/" in schema:
        return {"description": text, "content": {schema: {"schema": {"type": "string"}}}}
    return {"description": text, "content": {JSON: {"schema": _reference(schema)}}}


def _reference(schema: str) -> Document:
    return {"$ref": f"#/components/schemas/{schema}"}


def _object(optional: tuple[str, ...] = (), closed: bool = False, **properties: Document) -> Document:
    schema: Document = {
        "type": "object",
        "required": [name for name in properties if name not in optional],
        "properties": properties,
    }
    return schema | ({"additionalProperties": False} if closed else {})


def _schemas(task: Task, limits: Mapping[str, int]) -> Document:
    text: Document = {"type": "string"}
    number: Document = {"type": "integer", "minimum": 0}
    share: Document = {"type": "number", "minimum": 0, "maximum": 1}
    label: Document = {"type": "string", "enum": list(task.labels)}
    judged: Document = {"type": "string", "maxLength": limits["chars"]}
    few: Document = {"minItems": 1, "maxItems": limits["texts"]}
    title: Document = {"type": ["string", "null"], "maxLength": limits["chars"]}
    tags: Document = {"type": "array", "items": text}
    answered: Document = {
        "type": "boolean",
        "description": "Whether the model gave an answer that could be read; it is not asked about empty texts",
    }
    if task.spans:
        span = _object(start=number, end=number, label=label, text=text, probability=share)
        result = _object(spans={"type": "array", "items": span}, answered=answered)
    else:
        each = {"type": "object", "properties": dict.fromkeys(task.labels, share), "additionalProperties": False}
        chosen = {"type": ["string", "null"], "enum": [*task.labels, None]}
        certain = share | {"type": ["number", "null"]}
        result = _object(label=chosen, probability=certain, probabilities=each, answered=answered)
    region = _object(
        ("score",), id=text, from_name={"const": task.name}, to_name={"const": "text"}, type=text, value=_object()
    )
    region["properties"]["score"] = share
    suggested = _object(model_version=text, score=share, result={"type": "array", "items": region})
    data = _object(("title", "tags", "post", "blind"), text=judged, title=text, tags=text, post=text, blind={})
    return {
        "Text": _object(("title", "tags"), True, text=judged, title=title, tags=tags),
        "Request": _object(closed=True, texts={"type": "array", "items": _reference("Text"), **few}),
        "Answer": _object(
            model_version=text, task={"const": task.name}, results={"type": "array", "items": _reference("Result")}
        ),
        "Result": result,
        "Model": _object(
            task={"const": task.name},
            spans={"const": task.spans},
            labels={"type": "array", "items": label},
            version=text,
            limits=_object(texts=number, chars=number, bytes=number),
        ),
        "Health": _object(
            status={"const": "UP"},
            model_class=text,
            model_version=text,
            waiting=number,
            texts=number,
            failed=number,
            refused=number,
            memory=number,
        ),
        "Setup": _object(("project",), schema={**text, "description": "The project's interface"}, project=text),
        "Tasks": _object(
            ("label_config",),
            tasks={"type": "array", "items": _object(data=data), **few},
            label_config={**text, "description": "The project's interface"},
        ),
        "Suggestions": _object(results={"type": "array", "items": suggested}),
        "Event": _object(action=text),
        "Version": _object(model_version=text),
        "Versions": _object(versions={"type": "array", "items": text}),
        "Status": _object(status={"const": "ok"}),
        "Error": _object(error={**text, "description": "What is wrong, where, and what to do"}),
        "Anything": {"type": "object"},
    }


PAGE_HEADERS = {
    # Only the page's own style and script, and only requests to this server.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h2 { border-top: 1px solid #ccc; padding-top: 1rem; } h3 { margin-bottom: 0.2rem; }
code, pre, textarea { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 0.9rem; }
pre { background: #f5f5f5; padding: 0.8rem; overflow-x: auto; white-space: pre-wrap; }
label { display: block; margin: 0.6rem 0; } input, textarea { width: 100%; box-sizing: border-box; padding: 0.4rem; }
td, th { text-align: left; padding: 0.1rem 1rem 0.1rem 0; vertical-align: top; } mark { background: #ffe08a; }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd; } pre { background: #262626; }
  input, textarea { background: #262626; color: #ddd; } mark { background: #6b5200; color: #fff; } }
"""
_SCRIPT = """
const form = document.querySelector('form').elements, answer = document.querySelector('#answer');
document.querySelector('form').addEventListener('submit', async event => {
  event.preventDefault();
  const headers = {'Content-Type': 'application/json'}, token = form.token ? form.token.value : '';
  if (token) headers['Authorization'] = 'Bearer ' + token;
  const texts = [{title: form.title.value || null, text: form.text.value}];
  answer.textContent = 'asking';
  try {
    const response = await fetch('v1/predict', {method: 'POST', headers, body: JSON.stringify({texts})});
    answer.textContent = response.status + '\\n' + JSON.stringify(await response.json(), null, 2);
  } catch (error) { answer.textContent = String(error); }
});
"""


def page(content: Mapping[str, Any]) -> str:
    """A document as an HTML page with a form for `/v1/predict`; it loads nothing from other hosts."""
    info = content["info"]
    routes = "".join(
        _route(path, method, operation)
        for path, methods in content["paths"].items()
        for method, operation in methods.items()
    )
    schemas = "".join(
        f"<details id='{html.escape(name)}'><summary><code>{html.escape(name)}</code></summary><pre>"
        f"{html.escape(json.dumps(schema, indent=2, ensure_ascii=False))}</pre></details>"
        for name, schema in content["components"]["schemas"].items()
    )
    token = (
        '<label>Token <input name="token" type="password" autocomplete="off"></label>' if "security" in content else ""
    )
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{html.escape(info["title"])}</title><style>{_STYLE}</style></head><body>
<h1>{html.escape(info["title"])}</h1>
<p>{html.escape(info["description"])}</p>
<p>Version <code>{html.escape(info["version"])}</code>. The document itself: <a href="openapi.json">openapi.json</a></p>
<h2>Try it</h2>
<form><label>Title <input name="title" id="title"></label>
<label>Text <textarea name="text" rows="8" required></textarea></label>{token}
<button>Predict</button></form><pre id="answer" aria-live="polite"></pre>
<h2>Routes</h2>{routes}
<h2>Schemas</h2>{schemas}
<script>{_SCRIPT}</script></body></html>
"""


def _route(path: str, method: str, operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{code}</td><td>{html.escape(response['description'])}</td><td>{_named(response)}</td></tr>"
        for code, response in operation["responses"].items()
    )
    body = f"<p>Body: {_named(operation['requestBody'])}</p>" if "requestBody" in operation else ""
    return (
        f"<h3><code>{method.upper()} {html.escape(path)}</code></h3><p>{html.escape(operation['summary'])}</p>{body}"
        f"<table>{rows}</table>"
    )


def _named(part: Mapping[str, Any]) -> str:
    ((kind, content),) = part["content"].items()
    name = content["schema"].get("$ref", "").rpartition("/")[2]
    return f"<a href='#{name}'><code>{name}</code></a>" if name else f"<code>{html.escape(kind)}</code>"
