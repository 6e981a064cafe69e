"""Pages from templates: everything escaped, nothing fetched, written in one piece."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from dca.files import write_text
from dca.report.gallery import Data

TEMPLATES = Path(__file__).parent / "templates"


def write_page(out: str | Path, template: str, **context: Any) -> None:
    """Render a template and write the page atomically.

    Style sheet and script are part of the page. Its Content-Security-Policy names both by their hashes and
    allows images and scripts beside the page: nothing else, and nothing from elsewhere. The scripts hold
    numbers. They cannot be named by their hashes, which browsers check of files on a server alone; and
    ``file:`` stands beside ``'self'``, as a page that was opened from a disk has no origin that would match.

    Parameters
    ----------
    out : path
    template : str
        Name of a file in ``templates/``.
    **context
        What the template names.
    """
    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("style.css", "report.js"))
    policy = (
        f"default-src 'none'; img-src 'self' file: data: blob:; style-src '{content_hash(style)}'; "
        f"script-src '{content_hash(script)}' 'self' file:; base-uri 'none'; form-action 'none'"
    )
    page = (
        environment()
        .get_template(template)
        .render(style=Markup(style), script=Markup(script), policy=policy, **context)
    )
    write_text(out, page)


def content_hash(text: str) -> str:
    """Hash of a style sheet or script as a Content-Security-Policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def environment() -> Environment:
    """Jinja2 with autoescape and an error for every name that a template misspells."""
    templates = Environment(
        loader=PackageLoader("dca.report"),
        autoescape=select_autoescape(default=True, disabled_extensions=("txt",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(
        number=number,
        fixed=fixed,
        yaml=to_yaml,
        anchor=anchor,
        page=page_name,
        facts=facts,
        sources=sources,
        revision=short_revision,
    )
    return templates


def short_revision(revision: str | None) -> str:
    """Enough of a commit's name to tell it, and what is said behind it of files that were changed."""
    commit, *rest = (revision or "").split("-", 1)
    return "-".join([commit[:12], *rest])


def number(value: Any, digits: int = 3) -> str:
    """Format a number for reading; missing ones as an en dash."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}".replace(",", "\u202f").replace("-", "−")
    return f"{value:.{digits}g}".replace("-", "−")


def fixed(value: Any, digits: int = 3, sign: bool = False) -> str:
    """Format a statistic with a fixed number of decimals, so that columns line up."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def to_yaml(settings: Mapping[str, Any]) -> str:
    """Settings as YAML, in their own order."""
    return yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True, width=100)


def facts(record: Mapping[str, Any] | None, skip: tuple[str, ...] = ("warnings",)) -> list[tuple[str, str]]:
    """Flatten a summary into rows of name and value for a table; nested names are joined by ``›``."""
    rows: list[tuple[str, str]] = []
    for name, value in (record or {}).items():
        label = str(name).replace("_", " ")
        if name in skip:
            continue
        if isinstance(value, Mapping):
            rows += [(f"{label} › {inner}", text) for inner, text in facts(value, ())]
        elif isinstance(value, list):
            rows.append((label, ", ".join(number(item, 4) for item in value) or "none"))
        else:
            rows.append((label, number(value, 4)))
    return rows


def anchor(text: str) -> str:
    """An identifier for HTML made of any text; different texts keep different identifiers."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", text)
    return plain if plain == text else f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def sources(components: Mapping[str, Data]) -> str:
    """Where the script of the page finds the data of each setup, as JSON."""
    return json.dumps({setup: [data.name, data.source] for setup, data in components.items()})


def page_name(subject: str) -> str:
    """Relative address of a subject's page."""
    return quote(f"{subject}.html", safe="")
