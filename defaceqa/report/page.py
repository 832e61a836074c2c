"""From a dictionary to a page: Jinja with escaping on, one file, readable by the owner alone when it shows faces."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2

PRIVATE = 0o600
"""Mode of a file that shows a face."""


def render_page(
    template: str, data: Mapping[str, Any], *, styles: tuple[str, ...] = ("page.css",), scripts: tuple[str, ...] = ()
) -> str:
    """Fill a template.

    Parameters
    ----------
    template : str
        File name in the folder ``templates``.
    data : mapping
        Plain values; every text in it is escaped.
    styles : tuple of str
        File names of the style sheets; written into the page.
    scripts : tuple of str
        File names of the scripts; written into the page.

    Returns
    -------
    str
    """
    from markupsafe import Markup

    code = [_text(name) for name in scripts]
    page = _environment().get_template(template)
    # the page may run these scripts and load nothing from anywhere: the browser is told so
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in code]
    return page.render(
        **data,
        style=Markup("".join(_text(name) for name in styles)),
        scripts=[Markup(text) for text in code],
        script_hashes=hashes,
    )


def write_file(content: str | bytes, path: Path, *, private: bool) -> None:
    """Write beside the file first, then rename; private files are the owner's alone from their first byte."""
    partial = path.with_name(f".{os.getpid()}.{path.name}")
    data = content.encode() if isinstance(content, str) else content
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE if private else 0o666)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _text(name: str) -> str:
    # Markup: only files of this package are ever trusted
    return (resources.files("defaceqa.report") / "templates" / name).read_text(encoding="utf-8")
