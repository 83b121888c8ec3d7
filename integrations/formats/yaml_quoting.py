"""Text as a scalar of YAML that every reader takes for that text."""

import re

# Line ends are folded, and what YAML does not call printable is refused, where they stand as they are.
ESCAPED = re.compile('["\\\\]|[^ -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]')


def quoted(text: str) -> str:
    r"""
    >>> print(quoted('say "yes": #1\n'))
    "say \"yes\": #1\x0a"
    """
    return '"' + ESCAPED.sub(_escape, text) + '"'


def _escape(found: re.Match[str]) -> str:
    sign = found[0]
    if sign in '"\\':
        return "\\" + sign
    return f"\\x{ord(sign):02x}" if ord(sign) < 256 else f"\\u{ord(sign):04x}"
