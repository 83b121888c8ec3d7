"""Who reaches what, in one table."""

import pytest

from service.access.roles import LADDER, ROLES, Principal, Role, allows, may_grant

REACHES: dict[Role, set[Role]] = {
    "ingest": {"ingest"},
    "reader": {"reader"},
    "reviewer": {"reader", "reviewer"},
    "adjudicator": {"reader", "reviewer", "adjudicator"},
    "owner": {"reader", "reviewer", "adjudicator", "owner"},
    "operator": {"reader", "reviewer", "adjudicator", "owner", "operator"},
}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("wanted", ROLES)
def test_every_role_reaches_what_the_table_says(role: Role, wanted: Role) -> None:
    assert allows(Principal("Ana", role, None, "key"), wanted, "shop") == (wanted in REACHES[role])


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("wanted", ROLES)
def test_nobody_of_one_bot_reaches_another(role: Role, wanted: Role) -> None:
    assert not allows(Principal("Ana", role, "shop", "key"), wanted, "bank")


def test_a_bot_s_principal_is_never_an_operator() -> None:
    assert not allows(Principal("Ana", "operator", "shop", "key"), "operator", None)


@pytest.mark.parametrize(
    ("principal", "role", "bot", "granted"),
    [
        (Principal("Ana", "owner", "shop", "session"), "owner", "shop", True),
        (Principal("Ana", "owner", "shop", "session"), "ingest", "shop", True),
        (Principal("Ana", "owner", "shop", "session"), "reader", "bank", False),
        (Principal("Ana", "owner", "shop", "session"), "reader", None, False),
        (Principal("Ana", "owner", None, "session"), "reader", None, False),
        (Principal("Ana", "owner", None, "session"), "operator", None, False),
        (Principal("Ana", "adjudicator", "shop", "session"), "reader", "shop", False),
        (Principal("Ana", "operator", None, "session"), "operator", None, True),
        (Principal("Ana", "operator", None, "session"), "ingest", "shop", True),
    ],
)
def test_nobody_grants_more_than_they_have(principal: Principal, role: Role, bot: str | None, granted: bool) -> None:
    assert may_grant(principal, role, bot) is granted


def test_ingest_stands_beside_the_ladder() -> None:
    assert set(ROLES) - set(LADDER) == {"ingest"}
