"""Scripts that are written without spaces between words, for character classes of `regex`."""

# The two marks lengthen a vowel of Hiragana and Katakana, and are of neither script.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ーｰ"
