"""Where somebody comes back to who was sent to sign in: to a page of ours and nowhere else."""

import re
from urllib.parse import urlencode

# Browsers take `//` and `/\` for the start of another host, and drop tabs and line ends before they look.
OWN = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*", re.ASCII)


def own_path(to: str) -> str:
    """The path, where it is one of our own; else the front page.

    >>> own_path("/bots/shop/turns?mark=audit"), own_path("//evil.example"), own_path("https://evil.example")
    ('/bots/shop/turns?mark=audit', '/', '/')
    """
    return to if OWN.fullmatch(to) else "/"


def sign_in_address(path: str, query: str) -> str:
    """
    >>> sign_in_address("/bots/shop/turns", "mark=audit"), sign_in_address("/", "")
    ('/sign-in?to=%2Fbots%2Fshop%2Fturns%3Fmark%3Daudit', '/sign-in')
    """
    wanted = own_path(f"{path}?{query}" if query else path)
    return "/sign-in" if wanted == "/" else f"/sign-in?{urlencode({'to': wanted})}"
