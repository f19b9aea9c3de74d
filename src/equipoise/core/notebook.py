"""What a notebook shows of a record: a sentence and a table, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def as_html(words: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a sentence and a table as HTML.

    Parameters
    ----------
    words : str
    columns : sequence of str
    rows : iterable of sequence of str
        As many texts as columns.

    Examples
    --------
    >>> as_html("a < b", ("x",), [("1",)])
    '<p>a &lt; b</p><table><tr><th>x</th></tr><tr><td>1</td></tr></table>'
    """
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(value)}</td>' for value in row)}</tr>" for row in rows
    )
    return f"<p>{escape(words)}</p><table><tr>{head}</tr>{body}</table>"
