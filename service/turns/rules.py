"""What is derived from a turn before it is stored."""

import unicodedata

from service.keyring import Keyring


def fold(text: str) -> str:
    """The text without what makes no difference to a reader: letter case, spacing, compatibility forms of characters.

    >>> fold("  Where IS\\nmy ｃａｒｄ?")
    'where is my card?'
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def text_key(keyring: Keyring, text: str) -> bytes:
    """Exact repeats of a redacted text have the same one."""
    return keyring.hash("text", fold(text))


def person(keyring: Keyring, bot: str, user: str) -> str:
    """Stands for the platform's user id, which is not stored; "" for nobody."""
    return keyring.hash("person", bot, user).hex()[:32] if user else ""
