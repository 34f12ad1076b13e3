"""Data sets that come slowly: they hold up nobody, and are ended in the end."""

import asyncio
import logging
import os
import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from fastapi import HTTPException
from over_http import asked, listening
from serving import Gate, serving, wait_for

from search.api import uploads
from search.api.entrance import bodies
from search.api.uploads import Uploads
from search.service import answering_desk
from search.service.line import NearEnd

TABLE = "a,b,kind\n" + "\n".join(f"{i % 5},{i % 7},{'xy'[i % 2]}" for i in range(200)) + "\n"


@pytest.fixture
def person(tmp_path):
    with asked(tmp_path, lambda: Gate(0)) as person:
        yield person


@pytest.fixture
def slow(person):
    """Return a function that begins to upload a table and leaves out its last byte."""
    with ExitStack() as stack:

        def begin(who, number, path="datasets/my.csv", method="PUT"):
            api = person(who)
            parts = urlsplit(person.url)
            connection = stack.enter_context(
                socket.create_connection((parts.hostname, parts.port), 30)
            )
            body = f"# {number}\n{TABLE}".encode()
            head = (
                f"{method} /v1/{path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
                f"Authorization: {api._http.headers['authorization']}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            connection.sendall(head.encode() + body[:-1])
            return connection

        yield begin


def received(person, count):
    """Wait until so many files are on their way."""
    folder = person.served.service.root / "data"
    wait_for(lambda: len(list(folder.glob(".*.csv"))) == count)


def status(connection):
    """Return the status of the answer."""
    return int(connection.recv(100).split()[1])


def test_many_slow_ones_hold_up_nobody(person, slow, monkeypatch):
    """More of them than there are threads that answer."""
    monkeypatch.setattr(uploads, "MOST", 50)
    monkeypatch.setattr(uploads, "MOST_OF_ALL", 60)
    under_way = [slow("eve", number) for number in range(50)]
    received(person, 50)
    ann = person("ann")
    assert ann.json("GET", "sweeps")["sweeps"] == []
    sent = {"content": TABLE.encode()}
    name = ann.json("PUT", "datasets/mine.csv", expect=201, **sent)["name"]
    assert name in [one["name"] for one in ann.json("GET", "datasets")["uploads"]]
    assert ann.submit(grid="smoke")["state"] == "queued"
    for connection in under_way:
        connection.sendall(b"\n")
    # As soon as it has come, each is looked at; what is not a data set is said.
    assert {status(connection) for connection in under_way} <= {201, 422}
    received(person, 0)


def test_one_token_has_so_many_and_another_one_its_own(person, slow):
    mine = [slow("eve", number) for number in range(uploads.MOST)]
    received(person, uploads.MOST)
    assert status(slow("eve", 99)) == 429
    other = slow("ann", 0)
    received(person, uploads.MOST + 1)
    for connection in [*mine, other]:  # who leaves makes room
        connection.close()
    received(person, 0)
    again = slow("eve", 0)
    received(person, 1)
    again.sendall(b"\n")
    assert status(again) in {201, 422}


def test_what_is_silent_or_too_slow_is_ended_and_nothing_of_it_is_left(person, slow, monkeypatch):
    monkeypatch.setattr(uploads, "_SILENT_SECONDS", 0.1)
    assert status(slow("eve", 0)) == 408
    received(person, 0)
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.1)
    assert status(slow("eve", 0, "sweeps", "POST")) == 408


def test_a_rate_that_is_too_slow_is_noticed_however_often_something_comes(monkeypatch):
    monkeypatch.setattr(uploads, "_RATE", 1000.0)
    monkeypatch.setattr(uploads, "_GRACE_SECONDS", 10.0)
    now = [0.0]

    async def trickle(size):
        while True:
            now[0] += 1.0
            yield b"x" * size

    async def taken(size, most):
        count = 0
        async for part in Uploads(lambda: now[0]).parts(trickle(size)):
            count += len(part)
            if count > most:
                return count
        return count

    assert asyncio.run(taken(1000, 10**5)) > 10**5
    with pytest.raises(HTTPException) as caught:
        asyncio.run(taken(100, 10**5))
    assert caught.value.status_code == 408


def test_what_a_killed_process_was_receiving_is_gone_when_the_next_one_answers(tmp_path):
    mine, its = socket.socketpair()
    with mine, asked(tmp_path, lambda: Gate(0)) as person:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / ".5f.csv").write_text("a,b")
        (tmp_path / "data" / "upload-1.csv").write_text("a,b")
        end = NearEnd(mine, person.served.service)
        desk = answering_desk(its.detach(), lambda: None)
        assert [path.name for path in (tmp_path / "data").iterdir()] == ["upload-1.csv"]
        desk.close()
        desk.ledger.close()
        end.close()


def test_a_service_that_ends_leaves_whatever_is_open_without_a_word(
    tmp_path, monkeypatch, capfd, caplog
):
    monkeypatch.setattr("search.api.app._LAST_SECONDS", 0.2)
    big = os.urandom(2**24)  # more than sockets hold for who does not read
    with serving(tmp_path, lambda: Gate(0)) as served, ExitStack() as stack:
        people, ledger = served.service.ledger.people, served.service.ledger
        token = people.add_token("ann", "submitter")
        sweep = served.submit()
        wait_for(lambda: served.see(sweep).running)
        (served.folder(sweep) / "sweep.log").write_bytes(big)
        head = f"HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        asked = [
            f"GET /v1/events {head}\r\n",
            f"GET /v1/sweeps/{sweep}/files/messages {head}\r\n",
            f"GET /v1/sweeps/{sweep}/folder {head}\r\n",
            f"PUT /v1/datasets/x.npz {head}Content-Length: 1000\r\n\r\nabc",
            f"POST /v1/sweeps {head}Content-Length: 1000\r\n\r\n{{",
            "GET /v1/",
        ]
        with listening(served.desk) as url:
            sockets = []
            for text in asked:
                port = int(url.rpartition(":")[2])
                one = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                one.settimeout(60)
                one.sendall(text.encode())
                sockets.append(one)
            begun = [one.recv(10) for one in sockets[:3]]
            wait_for(lambda: list((tmp_path / "data").glob(".*")))
        assert begun == [b"HTTP/1.1 2"] * 3
        stream = b"".join(iter(lambda: sockets[0].recv(2**16), b""))
        assert stream.endswith(b"\r\n0\r\n\r\n")  # whole
        for one in sockets[1:3]:
            assert len(_rest(one)) < len(big)  # what is cut does not look whole
        assert not list((tmp_path / "data").iterdir())
        assert ledger.sweeps.find(sweep) is not None
    assert not [record for record in caplog.records if record.levelno > logging.INFO]
    assert capfd.readouterr().err == ""


def _rest(one):
    found = b""
    try:
        while part := one.recv(2**16):
            found += part
    except ConnectionError:
        pass
    return found
