"""The locales of Lex V2, published at https://docs.aws.amazon.com/lexv2/latest/dg/how-languages.html; of a language's
the first is meant where a row names the language alone."""

DEFAULT = "en_US"  # of rows that name no language
LOCALES = (
    *("ar_AE", "ca_ES", "de_DE", "de_AT", "en_US", "en_GB", "en_AU", "en_IN", "en_ZA", "es_ES", "es_419", "es_US"),
    *("fi_FI", "fr_FR", "fr_CA", "hi_IN", "it_IT", "ja_JP", "ko_KR", "nl_NL", "no_NO", "pl_PL", "pt_BR", "pt_PT"),
    *("sv_SE", "zh_CN", "zh_HK"),
)


def locale(language: str) -> str | None:
    """None where Lex does not speak it.

    >>> [locale(language) for language in ("de", "en-GB", "en_nz", "", "la")]
    ['de_DE', 'en_GB', 'en_US', 'en_US', None]
    """
    wanted = (language or DEFAULT).replace("-", "_").lower()
    same = [name for name in LOCALES if name.lower() == wanted]
    near = [name for name in LOCALES if name.startswith(wanted.partition("_")[0] + "_")]
    return next(iter(same + near), None)
