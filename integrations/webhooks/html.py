"""HTML bodies as the text a person reads.

Made for what helpdesks write, in time linear in the text whatever comes: a comment or script that never ends runs to
the end of the text, and a tag that never ends is text.
"""

import re
from html import unescape

_BREAK = re.compile(r"article|blockquote|br|d[dlt]|div|h[1-6]|hr|li|ol|p|pre|section|t[dhr]|table|ul", re.IGNORECASE)
_UNSEEN = re.compile(r"<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"""</?([a-z][a-z0-9]*)\b(?:[^<>"']|"[^"]*"|'[^']*')*+>""", re.IGNORECASE)
# Shorter than the longest the library knows: it fails on a number of thousands of digits.
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)


def plain(markup: str) -> str:
    """The text, a line for each paragraph.

    >>> plain("<p>Where&#39;s my <b>card</b>?</p>\\n<p>It is<br>late &gt; 3 days</p>").splitlines()
    ["Where's my card?", 'It is', 'late > 3 days']
    """
    broken = _TAG.sub(_space, " ".join(_UNSEEN.sub(" ", markup).split()))
    lines = (" ".join(line.split()) for line in _ENTITY.sub(_character, broken).split("\n"))
    return "\n".join(line for line in lines if line)


def _space(tag: re.Match[str]) -> str:
    return "\n" if _BREAK.fullmatch(tag[1]) else ""


def _character(entity: re.Match[str]) -> str:
    return unescape(entity[0])
