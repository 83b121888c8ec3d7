"""HTML bodies as text."""

import doctest

import pytest

from integrations.webhooks import html
from integrations.webhooks.html import plain


def test_the_example_is_true() -> None:
    assert doctest.testmod(html).failed == 0


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("no markup, 2 < 3 & 5 > 4", "no markup, 2 < 3 & 5 > 4"),
        ("I <3 you", "I <3 you"),
        ("<p>one</p>\n\n<p>two</p>", "one\ntwo"),
        ("<div>one<BR/>two</div>three", "one\ntwo\nthree"),
        ("<ul><li>Paris</li><li>Lyon</li></ul>", "Paris\nLyon"),
        ("bro<b>ken</b> wo<i>rd</i>", "broken word"),
        ("  a\n  line&nbsp;&nbsp; of   words ", "a line of words"),
        ('<a href="https://a.example/?x=1>2" title=\'b"c>d\'>here</a>', "here"),
        ("<p>before<!-- not <p>this</p> -->after</p>", "before after"),
        ("a<script>if (a < b) alert('x')</script>b<style>p{}</style>c", "a b c"),
        ("a<script>never ends", "a"),
        ("a <!-- never ends", "a"),
        ("a <b never ends", "a <b never ends"),
        ("&lt;b&gt; is bold, &eacute;t&eacute; &#8364;5 &#x1F648;", "<b> is bold, été €5 🙈"),
        ("&lt;p&gt;not &amp;amp; markup", "<p>not &amp; markup"),
        ("AT&T &nosuch; &#" + "9" * 5000 + ";", "AT&T &nosuch; &#" + "9" * 5000 + ";"),
        ("&#0;&#xD800;", "\ufffd\ufffd"),
        ('<img src="a.png">', ""),
        ("", ""),
    ],
)
def test_what_a_person_reads(markup: str, text: str) -> None:
    assert plain(markup) == text
