"""Connections: nobody holds one without asking, and no body is read of who has no token."""

import socket
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from over_http import listening
from serving import still

from search.api import connections
from search.api.entrance import bodies


@contextmanager
def connected(url, *parts):
    """Give a connection over which something was sent."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        for part in parts:
            connection.sendall(part)
        yield connection


def all_of(connection):
    """Return what comes until the other side closes."""
    found = b""
    while part := connection.recv(2**16):
        found += part
    return found


def one_of(connection):
    """Return an answer, of which the length is said; the connection stays."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += connection.recv(1)
    head = found.decode().lower()
    length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
    while length:
        length -= len(connection.recv(length))
    return head


@pytest.fixture
def there(tmp_path):
    with still(tmp_path) as served, listening(served.desk) as url:
        yield served, url


@pytest.mark.parametrize(
    "parts", [[], [b"GET / HT"], [b"GET / HTTP/1.1\r\nHost: x\r\n", b"A: b\r\n"]]
)
def test_who_sends_no_whole_head_is_left(there, monkeypatch, parts):
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.2)
    with connected(there[1], *parts) as connection:
        assert all_of(connection) == b""


def test_who_begins_another_request_and_does_not_end_it_is_left(there, monkeypatch):
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.2)
    with connected(there[1], b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n") as connection:
        assert connection.recv(2**16).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET / HTTP")
        assert all_of(connection) == b""


def test_who_has_asked_is_answered_however_long_that_takes(there, monkeypatch):
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.2)
    served, url = there
    token = served.service.ledger.people.add_token("ann", "viewer")
    head = f"GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
    with connected(url, head.encode()) as connection, connected(url) as other:
        assert connection.recv(2**16).startswith(b"HTTP/1.1 200")
        assert all_of(other) == b""  # so long has passed since
        served.service.ledger.events.add(None, "ann", "done")
        while b"event: done" not in connection.recv(2**16):
            pass


def test_where_there_are_too_many_the_one_that_rests_longest_makes_room(there, monkeypatch):
    monkeypatch.setattr(connections, "most_connections", lambda: 2)
    ask = b"GET /v1/me HTTP/1.1\r\nHost: x\r\n\r\n"
    with connected(there[1], ask) as first:
        assert "401" in one_of(first)
        with connected(there[1], ask) as second:
            assert "401" in one_of(second)
            first.sendall(ask)  # which has rested less than the second one then
            assert "401" in one_of(first)
            with connected(there[1], ask) as third:
                assert "401" in one_of(third)
                assert all_of(second) == b""
                first.sendall(ask)
                assert "401" in one_of(first)


@pytest.mark.parametrize("path", ["sweeps", "datasets/x.csv"])
def test_without_a_token_a_body_is_not_waited_for(there, monkeypatch, path):
    monkeypatch.setattr(bodies, "DROPPED_SECONDS", 0.2)
    head = f"POST /v1/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode()
    with connected(there[1], head, b"{") as connection:
        answer = all_of(connection)
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"\r\nconnection: close\r\n" in answer.lower()


@pytest.mark.parametrize("path", ["", "nowhere", "v1/openapi.json"])
def test_where_no_token_is_needed_a_body_is_not_waited_for_either(there, path):
    head = f"POST /{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n".encode()
    ask = b"GET /v1/me HTTP/1.1\r\nHost: x\r\n\r\n"
    with connected(there[1], head) as connection:
        assert "405" in one_of(connection)
        connection.sendall(b"{" * 9 + ask)  # the rest of it is no request
        assert "401" in one_of(connection)


def test_one_that_has_come_whole_leaves_the_connection_as_it_is(there):
    head = b"POST /v1/sweeps HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
    with connected(there[1]) as connection:
        for _ in range(2):
            connection.sendall(head)
            connection.sendall(b"{}")
            assert "401" in one_of(connection)
