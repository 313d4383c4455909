"""An HTML page that needs nothing else: no script, no other file, pictures within it, on a screen and on paper."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What a browser may load for it (Content-Security-Policy): nothing, whatever text comes to stand in it."""

_STYLE = """
:root{color-scheme:light dark;--line:#8886;--dim:#777;--warn:#d55e00}
body{margin:0;font:16px/1.45 system-ui,sans-serif}
main{max-width:1000px;margin:auto;padding:12px}
h1{font-size:1.5em}h2{font-size:1.2em;margin-top:1.8em}h3{font-size:1em;margin:1.3em 0 .4em}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.86em;font-variant-numeric:tabular-nums}
th,td{border-bottom:1px solid var(--line);padding:.25em .6em;text-align:right;vertical-align:top}
th:first-child{text-align:left}
tbody th{font-weight:400}
.warning{border-left:4px solid var(--warn);padding:.2em .7em;margin:.5em 0}
img{max-width:100%;height:auto}
small,.small{font-size:.85em;color:var(--dim)}
footer{margin:2.5em 0 1em;color:var(--dim);font-size:.85em}
@media print{section{break-inside:avoid}}
"""


def html_page(title: str, style: str, parts: Iterable[str], footer: str) -> Iterator[str]:
    """The page, piece by piece.

    Args:
        title: a text, above the page and in the browser's tab.
        style: CSS beside the one that all pages have.
        parts: HTML.
        footer: a text.
    """
    yield (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}{style}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>"
    )
    yield from parts
    yield f"<footer>{escape(footer)}</footer></main></body></html>\n"
