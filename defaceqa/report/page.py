"""From a dictionary to a page: Jinja with escaping on, all in one text."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2


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
