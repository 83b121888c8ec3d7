"""Where outgoing webhooks may go, by URL and by address; the connection goes to the address that was looked at."""

import doctest
from ipaddress import ip_address

import pytest

from service.clock import now
from service.errors import BadInput, ConfigError
from service.events import addresses, rules
from service.events.addresses import Networks, check_url, is_public, may_post, parse_networks
from service.settings import Settings
from tests.support.hook import LOOPBACK, listening
from workers import posting
from workers.posting import post

NONE: Networks = []
INSIDE = parse_networks("10.1.0.0/16,fd00:1::/32")
PUBLIC = ["93.184.215.14", "8.8.8.8", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"]
PUBLIC += ["64:ff9b::808:808", "2002:808:808::1"]
HIDDEN = [
    "0.0.0.0",  # noqa: S104
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.8.8.8",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.9",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.9",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:10.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


def test_the_examples_are_true() -> None:
    assert doctest.testmod(addresses).failed == doctest.testmod(rules).failed == doctest.testmod(posting).failed == 0


@pytest.mark.parametrize("text", PUBLIC)
def test_what_the_internet_reaches_is_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize("text", HIDDEN)
def test_what_it_does_not_reach_is_not(text: str) -> None:
    assert not is_public(ip_address(text))
    assert not may_post("https", [ip_address(text)], NONE)


def test_one_address_among_several_that_is_not_allowed_is_enough() -> None:
    assert may_post("https", [ip_address("8.8.8.8"), ip_address("2606:4700::1111")], NONE)
    assert not may_post("https", [ip_address("8.8.8.8"), ip_address("10.1.0.1")], NONE)


def test_the_operators_networks_are_allowed_and_without_tls() -> None:
    inside = [ip_address(text) for text in ("10.1.2.3", "::ffff:10.1.2.3", "fd00:1::9")]
    assert may_post("http", inside, INSIDE)
    assert not may_post("https", [ip_address("10.2.0.1")], INSIDE)
    assert not may_post("http", [ip_address("8.8.8.8")], INSIDE)
    assert may_post("https", [ip_address("8.8.8.8"), ip_address("10.1.2.3")], INSIDE)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "inside", "10.0.0.0/33", "10.0.0.0/8;fd00::/8"])
def test_networks_that_are_none_stop_the_start(text: str) -> None:
    with pytest.raises(ConfigError, match="FENCEPOST_ENDPOINT_NETWORKS"):
        Settings.from_env({"FENCEPOST_ENDPOINT_NETWORKS": text, "HOME": "/nowhere"})


GOOD = [
    "https://hooks.example/a?b=c",
    "https://hooks.example:8443/",
    "https://xn--bcher-kva.example",
    "https://8.8.8.8",
]


@pytest.mark.parametrize("url", GOOD)
def test_a_url_that_may_be_public_is_taken(url: str) -> None:
    assert check_url(url, NONE) == url


BAD = [
    "",
    "hooks.example",
    "/path",
    "ftp://hooks.example",
    "file:///etc/passwd",
    "http://hooks.example",
    "https://",
    "https://:443/",
    "https://hooks.example:99999",
    "https://hooks.example:0",
    "https://hooks.example:port",
    "https://user@hooks.example",
    "https://user:password@hooks.example",
    "https://@hooks.example",
    "https://hooks.example\\@10.0.0.1/",
    "https://hooks.example#part",
    "https://bücher.example",
    "https://hooks.example/a b",
    "https://hooks.example/\r\nX: y",
    "https://hooks.example/\0",
    "https://[::1",
    "https://[::1]/",
    "https://[fe80::1%25eth0]/",
    "https://127.0.0.1",
    "https://169.254.169.254/latest/meta-data",
    "https://[::ffff:10.0.0.1]/",
]


@pytest.mark.parametrize("url", BAD)
def test_a_url_that_cannot_be_posted_to_is_refused(url: str) -> None:
    with pytest.raises(BadInput) as refused:
        check_url(url, NONE)
    assert refused.value.path == "url"


def test_http_waits_for_its_address_where_the_operator_allows_networks() -> None:
    assert check_url("http://hooks.internal/", INSIDE)
    assert check_url("http://10.1.0.1:8080/", INSIDE)
    with pytest.raises(BadInput):
        check_url("http://10.2.0.1/", INSIDE)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "localhost"])
def test_other_ways_to_write_loopback_lead_nowhere(host: str) -> None:
    with listening() as hook:
        port = hook.url.rpartition(":")[2]
        answer = post(f"http://{host}:{port}/", b"{}", {}, LOOPBACK._replace(networks=NONE), now())
        assert (answer.status_code, answer.error) == (None, "its address is not one that may be posted to")
        assert hook.requests == []


def test_a_name_that_changes_its_mind_is_asked_once() -> None:
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> list[addresses.Address]:
        """The first answer is allowed; every later one would be the metadata service."""
        asked.append(host)
        return [ip_address("127.0.0.1" if len(asked) == 1 else "169.254.169.254")]

    with listening() as hook:
        url = hook.url.replace("127.0.0.1", "rebinding.example")
        answer = post(f"{url}/path?a=b", b"{}", {"Webhook-Id": "evt"}, LOOPBACK._replace(resolve=rebinding), now())
        again = post(url, b"{}", {}, LOOPBACK._replace(resolve=rebinding), now())
    assert (answer.status_code, answer.error) == (204, "")
    assert (again.status_code, again.error) == (None, "its address is not one that may be posted to")
    assert asked == ["rebinding.example"] * 2
    [request] = hook.requests
    assert (request.path, request.headers["host"]) == ("/path?a=b", url.removeprefix("http://"))


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    with listening() as hook:
        port = hook.url.rpartition(":")[2]
        several = LOOPBACK._replace(resolve=lambda *_: [ip_address("127.0.0.99"), ip_address("127.0.0.1")])
        assert post(f"http://two.example:{port}/", b"{}", {}, several, now()).status_code == 204


@pytest.mark.parametrize("host", ["x" * 64 + ".example", "nowhere.invalid", "a..b"])
def test_a_name_that_is_none_is_no_answer(host: str) -> None:
    answer = post(f"https://{host}/", b"{}", {}, LOOPBACK._replace(networks=NONE), now())
    assert (answer.status_code, answer.error) == (None, "it cannot be connected to")
