"""The service over HTTP, as its users meet it: routes, problems, limits and the stream."""

import base64
import csv
import io
import json
import pkgutil
import tarfile
from contextlib import suppress

import httpx2
import pyarrow as pa
import pytest
import schemathesis
from command_line import table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from over_http import Api, asked, listening
from schemathesis import GenerationMode
from serving import GRID, Gate, grid, still, wait_for, written

from search.api.entrance.bodies import MOST_BYTES
from search.api.entrance.rates import Rates
from search.record import RunFolder
from search.watch import RunState, status_of

TABLES_GET = "search.api.standing.TrialTables.get"


@pytest.fixture(scope="module")
def person(tmp_path_factory):
    with asked(tmp_path_factory.mktemp("service")) as person:
        yield person


@pytest.fixture(scope="module")
def done(person):
    return person("ann").done()


def small_table(rows=100):
    """Return a data set of two columns and two classes, as CSV."""
    return b"a,b,label\n" + b"".join(
        b"%d,%d,%s\n" % (i, i * i % 7, b"xy"[i % 2 : i % 2 + 1]) for i in range(rows)
    )


def problem_of(answer):
    """Return what a problem says, which has the form that it should have."""
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["status"] == answer.status_code
    assert set(found) == {"type", "title", "status", "detail"}
    assert "Traceback" not in found["detail"]
    return found["detail"]


def test_a_sweep_is_submitted_and_seen_to_its_end(person):
    ann = person("ann")
    first = ann.submit(key="one")
    assert first["state"] in {"queued", "running"}
    assert ann.submit(expect=200, key="one")["id"] == first["id"]
    found = ann.ended(first["id"])
    assert (found["state"], found["finished"], found["total"]) == ("done", 16, 16)
    assert found["best"]["params"].keys() == {"batch_size", "learning_rate", "epochs", "alpha"}
    assert found["dataset"]["name"] == "digits"
    listed = ann.json("GET", "sweeps", params={"mine": True})["sweeps"]
    assert first["id"] in [sweep["id"] for sweep in listed]
    assert all(sweep["person"] == "ann" for sweep in listed)


def test_products_are_chosen_when_it_is_trained_and_kept(person):
    ann = person("ann")
    # Of two columns: to measure the products takes a second for each hundred.
    name = ann.json("PUT", "datasets/few.csv", expect=201, content=small_table())["name"]
    data = {"dataset": name, "target": "label"}
    few = {**GRID, "dataset": "auto"}
    for body in ({"grid": few, "products": "fixed"}, {"grid": {**few, "products": "auto"}}):
        sweep = ann.ended(ann.submit(seed=11, **data, **body)["id"])
        assert sweep["state"] == "done", sweep["reason"]
        log = ann.json("GET", f"sweeps/{sweep['id']}/trials?limit=1")
        assert len(log["rows"]) == 1
    assert ann.json("POST", "plan", json={"grid": {**few, "products": "auto"}, **data})
    ann.json("POST", "plan", expect=422, json={"grid": "smoke", "products": "mkl"})


def test_an_objective_and_limits_are_those_of_the_command(person):
    ann = person("ann")
    limits = {"budget": 600.0, "target_value": 0.01, "patience": 90}
    sweep = ann.submit(objective="f1_macro", metrics=["f1_weighted"], seed=7, **limits)
    found = ann.ended(sweep["id"])
    assert found["options"] == {"refits": 1, "optimum": False, **limits}
    best = found["best"]
    assert best["objective"] == "macro F1"
    assert 0 < best["value"] < 1
    copy = ann.json("POST", f"sweeps/{sweep['id']}/clone", expect=201, json={})
    assert ann.ended(copy["id"])["options"] == found["options"]
    refused = ann.json("POST", "plan", expect=422, json={"grid": "smoke", "objective": "f2"})
    assert 'objective = "f2": objective must be' in refused["detail"]


def test_without_a_token_nothing_is_answered_and_what_is_missing_is_said(person):
    for headers, why in (
        ({}, "is missing"),
        ({"Authorization": "Bearer nonsense"}, "unknown, revoked or expired"),
        ({"Authorization": "Basic YTpi"}, "is missing"),
    ):
        for path in ("sweeps", "me", "events", "acts", "queues"):
            answer = httpx2.get(f"{person.url}/v1/{path}", headers=headers)
            assert answer.status_code == 401
            assert why in problem_of(answer)
            assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_role_is_enough_or_403_and_what_was_refused_is_written_down(person, done):
    eve, bob, root = person("eve", "viewer"), person("bob"), person("root", "admin")
    for method, path, body in (
        ("POST", "sweeps", {"grid": "smoke"}),
        ("PATCH", f"sweeps/{done}", {"name": "x"}),
        ("DELETE", f"sweeps/{done}", None),
    ):
        answer = eve(method, path, expect=403, json=body)
        assert "needs the role submitter" in problem_of(answer)
    for method, path, body in (
        ("GET", "acts", None),
        ("PUT", "queues/x", {}),
        ("PATCH", "people/ann", {"weight": 2}),
    ):
        assert "needs the role admin" in problem_of(bob(method, path, expect=403, json=body))
    answer = bob("PATCH", f"sweeps/{done}", expect=403, json={"name": "mine"})
    assert problem_of(answer).startswith(f"The sweep {done} is ann's")
    acts = root.json("GET", "acts", params={"limit": 10})
    assert {"forbidden"} == {act["outcome"] for act in acts if act["person"] == "eve"}


def test_what_is_another_s_is_refused_and_written_down_also_among_several(person, done):
    bob, root, ann = person("bob"), person("root", "admin"), person("ann")
    hook = person.served.service.ledger.hooks.add("ann", "https://nowhere.example", ["done"]).id
    for method, path, body in (
        ("PATCH", f"sweeps/{done}", {"name": "mine"}),
        ("DELETE", f"sweeps/{done}", None),
        ("POST", "sweeps/change", {"ids": [done], "wanted": "cancel"}),
        ("DELETE", "datasets/upload-0", None),
        ("DELETE", f"hooks/{hook}", None),
    ):
        bob(method, path, expect=403, json=body)
    ann("POST", f"hooks/{hook}/test")
    acts = root.json("GET", "acts", params={"limit": 6})
    said = [(act["person"], act["verb"], act["target"], act["outcome"]) for act in acts[::-1]]
    assert said == [
        ("bob", "change", done, "forbidden"), ("bob", "delete", done, "forbidden"),
        ("bob", "change", done, "forbidden"), ("bob", "remove", "upload-0", "forbidden"),
        ("bob", "hook", str(hook), "forbidden"),
        ("ann", "test hook", "https://nowhere.example", "done"),
    ]  # fmt: skip


def test_under_the_key_of_what_was_deleted_nothing_is_submitted(tmp_path):
    with asked(tmp_path) as person:
        ann = person("ann")
        sweep = ann.submit(key="k")["id"]
        ann.ended(sweep)
        wait_for(lambda: ann._http.request("DELETE", f"sweeps/{sweep}").status_code == 200)
        told = ann("POST", "sweeps", expect=409, json={"grid": GRID},
                   headers={"Idempotency-Key": "k"})  # fmt: skip
        assert f"The sweep {sweep}" in problem_of(told)


@pytest.mark.parametrize("shown", ["{tag}", "W/{tag}", '"x", W/{tag}', "*"])
def test_what_somebody_has_is_not_sent_again_however_that_is_said(person, done, shown):
    ann = person("ann")
    tag = ann("GET", f"sweeps/{done}/trials").headers["ETag"]
    again = ann("GET", f"sweeps/{done}/trials", expect=304,
                headers={"If-None-Match": shown.format(tag=tag)})  # fmt: skip
    assert again.headers["ETag"] == tag
    assert not again.content
    for other in ('"x"', "W/*", '"*"', ""):
        ann("GET", f"sweeps/{done}/trials", headers={"If-None-Match": other})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"grid": "nosuch"}, "There is no grid"),
        ({"toml": "x = ["}, "not valid TOML"),
        ({"grid": {"space": {"alpha": []}}}, "space.alpha"),
        ({"grid": "smoke", "dataset": "/etc/passwd"}, "is not available"),
        ({"grid": "smoke", "trainer": "os:system"}, "not allowed here"),
        ({"grid": "smoke", "seed": -1}, "seed"),
        ({"grid": "smoke", "seed": 2**63}, "seed"),
        ({"grid": "smoke", "unknown": 1}, "unknown"),
        ({"grid": "smoke", "name": "../x"}, "name"),
        ({"grid": "smoke", "priority": 10**30}, "priority"),
        ({"grid": "smoke", "queue": "none"}, "no queue 'none'"),
        ({"grid": "smoke", "target": "label"}, "--target"),
        ({"grid": {"space": {"a": {"b": {"c": 1}}}}}, "space"),
        ([], "dict"),
        ("text", "dict"),
    ],
)
def test_a_mistake_is_told_with_its_rule(person, body, said):
    answer = person("ann")("POST", "sweeps", expect=422, json=body)
    assert said in problem_of(answer)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"\xff\xfe", b'{"grid": NaN}', b'{"grid": "\\ud800"}', b'{"name": "\\u0000"}',
        b"[" * 100_000, b'{"grid": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}",
        b'{"seed": 1e400}', b'{"grid": "smoke", "keys": {"\\udfff": "x"}}',
        b'{"grid": "smoke", "seed": ' + b"9" * 5000 + b"}",
        b'{"grid": "smoke", "target_value": NaN}',
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(person, content):
    answer = person("ann")._http.post(
        "sweeps", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in {400, 422}
    assert problem_of(answer)


@pytest.mark.parametrize(
    ("method", "path", "content", "name"),
    [
        ("POST", "sweeps", '{"grid": "smoke", "seed": 1, "seed": 2}', "'seed'"),
        ("POST", "plan", '{"grid": {"space": {"alpha": [1], "alpha": [2]}}}', "'alpha'"),
        ("PATCH", "people/ann", '{"weight": 1, "weight": 2}', "'weight'"),
        ("POST", "plan", '{"x": {"' + "a" * 9999 + '": 1, "' + "a" * 9999 + '": 1}}', "..."),
    ],
    ids=["sweeps", "plan", "people", "a-long-name"],
)
def test_a_name_that_stands_twice_is_refused(person, method, path, content, name):
    root = person("root", "admin")
    answer = root._http.request(
        method, path, content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422
    assert name in (said := problem_of(answer))
    assert "occurs twice" in said
    assert len(said) < 200


@pytest.mark.parametrize("weight", [0, -1, 5e-324, 1e-7, 1e7])
def test_a_weight_with_which_shares_are_no_numbers_is_refused(person, weight):
    person("ann").json("GET", "me")
    root = person("root", "admin")
    root("PATCH", "people/ann", expect=422, json={"weight": weight})


def test_a_body_that_is_too_large_is_refused_before_it_is_read(person):
    ann = person("ann")
    assert "is the most" in problem_of(
        ann("POST", "sweeps", expect=413, content=b"x" * (MOST_BYTES + 1))
    )

    def parts():
        for _ in range(20):
            yield b"x" * (MOST_BYTES // 10)

    assert "is the most" in problem_of(ann("POST", "sweeps", expect=413, content=parts()))


def test_what_is_not_there_is_404(person, done):
    ann = person("ann")
    for method, path in (
        ("GET", "sweeps/0123456789"), ("PATCH", "sweeps/0123456789"),
        ("DELETE", "sweeps/0123456789"), ("GET", "sweeps/0123456789/trials"),
        ("GET", "nowhere"),
    ):  # fmt: skip
        assert problem_of(ann(method, path, expect=404, json={} if method == "PATCH" else None))
    assert problem_of(ann("GET", f"sweeps/{done}/files/nothing", expect=422))
    assert problem_of(ann("GET", "sweeps/..%2f..%2fetc", expect=404))


def test_trials_come_page_by_page_in_any_order_and_in_three_forms(person, done):
    ann = person("ann")
    log = table(person.served.folder(done))
    seen, after = [], None
    while True:
        asked_for = {"order": "-val_cost", "limit": 5, "columns": "number,val_cost"}
        page = ann.json(
            "GET", f"sweeps/{done}/trials", params=asked_for | ({"after": after} if after else {})
        )
        seen += page["rows"]
        after = page["after"]
        if after is None:
            break
    falling = log.sort_values("val_cost", ascending=False)
    assert [row[0] for row in seen] == falling.number.tolist()
    assert [row[1] for row in seen] == falling.val_cost.tolist()
    rows = list(csv.DictReader(io.StringIO(ann("GET", f"sweeps/{done}/log").text)))
    assert [float(row["val_cost"]) for row in rows] == log.val_cost.tolist()
    stream = ann("GET", f"sweeps/{done}/log", params={"form": "arrow"}).content
    arrow = pa.ipc.open_stream(stream).read_all()
    assert arrow["val_cost"].to_pylist() == log.val_cost.tolist()


@pytest.mark.parametrize(
    "params",
    [
        {"order": "nothing"}, {"order": ""}, {"order": "-"}, {"columns": "nothing"},
        {"after": "x"}, {"after": "é"}, {"after": base64.b64encode(b"{}").decode()},
        {"after": base64.b64encode(b"[1, 2, 3]").decode()}, {"limit": 0}, {"limit": 10**9},
        {"after": base64.b64encode(b"[" * 3000).decode()[:2000]},
    ],
)  # fmt: skip
def test_what_is_no_page_is_refused(person, done, params):
    assert problem_of(person("ann")("GET", f"sweeps/{done}/trials", expect=422, params=params))


def test_bins_and_files_of_a_sweep(person, done):
    ann = person("ann")
    bins = ann.json("GET", f"sweeps/{done}/bins", params={"ranges": "alpha:0-0", "best": 3})
    assert (bins["total"], bins["within"], len(bins["best"])) == (16, 8, 3)
    for wrong in ("alpha", "alpha:1", "alpha:a-b", "beta:0-1", ":0-1"):
        assert problem_of(ann("GET", f"sweeps/{done}/bins", expect=422, params={"ranges": wrong}))
    summary = ann.json("GET", f"sweeps/{done}/files/summary")
    assert summary["best"]["val_cost"] == pytest.approx(
        table(person.served.folder(done)).val_cost.min()
    )
    report = ann("GET", f"sweeps/{done}/files/report")
    assert report.headers["content-type"].startswith("text/html")
    assert "sandbox" in report.headers["content-security-policy"]
    content = ann("GET", f"sweeps/{done}/folder").content
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        names = {name.rpartition("/")[2] for name in archive.getnames()}
    assert {"manifest.json", "summary.json", "report.html"} <= names
    assert not {".lock", "checkpoints"} & names


def test_every_answer_has_the_headers_that_keep_a_browser_in(person):
    for path in ("/v1/me", "/v1/nowhere", "/v1/openapi.json", "/"):
        headers = httpx2.get(f"{person.url}{path}").headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


def test_a_clone_with_other_values_trains_the_difference_alone(person, done):
    bob = person("bob")
    copy = bob.json(
        "POST", f"sweeps/{done}/clone", expect=201,
        json={"space": {"learning_rate": [1e-6, 5e-6, 2e-6]}, "name": "wider"},
    )  # fmt: skip
    found = bob.ended(copy["id"])
    assert (found["state"], found["name"], found["person"]) == ("done", "wider", "bob")
    assert found["total"] == 24
    # All but the new learning rate: of another run, whichever had it first.
    assert found["shared"]["trials"] == 16
    same = bob.json("POST", f"sweeps/{done}/clone", expect=201, json={})
    assert bob.ended(same["id"])["shared"]["trials"] == 16


def test_a_plan_says_what_would_be_done_and_does_nothing(person):
    ann = person("ann")
    before = len(ann.json("GET", "sweeps", params={"limit": 200})["sweeps"])
    plan = ann.json("POST", "plan", json={"grid": "smoke"})
    assert plan["total"] == 16
    assert "trajectories    8" in plan["text"]
    assert len(ann.json("GET", "sweeps", params={"limit": 200})["sweeps"]) == before


def test_a_data_set_is_uploaded_once_named_and_removed(person):
    ann = person("ann")
    content = small_table(120)
    first = ann.json("PUT", "datasets/mine.csv", expect=201, content=content)
    again = ann.json("PUT", "datasets/other.csv", expect=201, content=content)
    assert first == again
    assert first["name"] in [u["name"] for u in ann.json("GET", "datasets")["uploads"]]
    answer = ann("POST", "sweeps", expect=422, json={"grid": "tabular", "dataset": first["name"]})
    assert f"{first['name']}: which column holds the labels?" in problem_of(answer)
    asked_for = {"dataset": first["name"], "target": "label", "grid": {**GRID, "dataset": "auto"}}
    sweep = ann.submit(**asked_for)["id"]
    assert ann.ended(sweep)["state"] == "done"
    assert "administrator" in problem_of(ann("DELETE", f"datasets/{first['name']}", expect=403))
    root = person("root", "admin")
    assert root.json("DELETE", f"datasets/{first['name']}") == {"bytes": len(content)}
    assert problem_of(root("DELETE", f"datasets/{first['name']}", expect=422))


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n", b"\x80\x04pickle", b"\0" * 1000])
def test_what_is_no_data_set_is_not_kept(person, content):
    before = person("ann").json("GET", "datasets")["uploads"]
    for name in ("x.npz", "x.csv", "x", "x.parquet"):
        problem_of(person("ann")("PUT", f"datasets/{name}", expect=422, content=content))
    assert person("ann").json("GET", "datasets")["uploads"] == before
    left = list((person.served.service.root / "data").glob(".*"))
    assert left == []


def test_a_data_set_that_is_too_large_is_refused_while_it_comes(tmp_path):
    with asked(tmp_path, upload_bytes=1000) as person:
        ann = person("ann")
        assert "1,000 bytes" in problem_of(
            ann("PUT", "datasets/x.csv", expect=422, content=b"x" * 1001)
        )

        def parts():
            for _ in range(10):
                yield b"x" * 200

        assert "1,000 bytes" in problem_of(
            ann("PUT", "datasets/x.csv", expect=422, content=parts())
        )
        assert list((tmp_path / "data").iterdir()) == []


def test_queues_and_weights_are_an_administrator_s(person):
    root, ann = person("root", "admin"), person("ann")
    assert root.json("PUT", "queues/team", json={"cores": 1, "most": 2}) == {
        "cores": 1.0, "most": 2.0,
    }  # fmt: skip
    found = {queue["name"]: queue for queue in ann.json("GET", "queues")}
    assert found["team"] == {"name": "team", "cores": 1.0, "most": 2.0, "used": 0.0}
    assert found["all"]["most"] is None
    assert root.json("PATCH", "people/ann", json={"weight": 2})["weight"] == 2.0
    root("PATCH", "people/nobody", expect=422, json={"weight": 2})
    root("DELETE", "queues/team", expect=204)
    assert "cannot be removed" in problem_of(root("DELETE", "queues/all", expect=422))


def test_several_sweeps_change_together_or_none(tmp_path):
    with asked(tmp_path, lambda: Gate(0)) as person:
        ann, bob = person("ann"), person("bob")
        mine = [ann.submit(grid=grid(alpha=[float(i)]))["id"] for i in range(3)]
        other = bob.submit(grid=grid(alpha=[7.0]))["id"]
        answer = ann(
            "POST", "sweeps/change", expect=403, json={"ids": [*mine, other], "wanted": "pause"}
        )
        assert "bob's" in problem_of(answer)
        listed = ann.json("GET", "sweeps")["sweeps"]
        assert {sweep["wanted"] for sweep in listed} == {"run"}
        changed = ann.json("POST", "sweeps/change", json={"ids": mine, "wanted": "cancel"})
        assert {sweep["wanted"] for sweep in changed["sweeps"]} == {"cancel"}
        assert problem_of(
            ann("POST", "sweeps/change", expect=422, json={"ids": [], "wanted": "run"})
        )
        answer = ann("PATCH", f"sweeps/{mine[0]}", expect=409, json={"wanted": "run"})
        assert "cancelled" in problem_of(answer)


def told(lines):
    """Yield the events of a stream as (number, kind, data)."""
    fields = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        else:
            if "data" in fields:
                yield fields.get("id"), fields["event"], json.loads(fields["data"])
            fields = {}


def test_a_stream_tells_what_happens_and_goes_on_behind_the_last_event(tmp_path):
    gate = Gate(0)
    with asked(tmp_path, lambda: gate) as person:
        ann = person("ann")
        kinds, last = [], None
        with ann._http.stream("GET", "events") as answer:
            sweep = ann.submit(grid=grid(batch_size=[32, 64, 128, 256]))["id"]
            gate.allowed = None
            for number, kind, data in told(answer.iter_lines()):
                assert (data["id"] if kind == "progress" else data["sweep"]) == sweep
                kinds.append(kind)
                last = number or last
                if kind == "done":
                    break
        assert kinds[0] == "submitted"
        assert "progress" in kinds
        ann("PATCH", f"sweeps/{sweep}", json={"name": "other"})
        headers = {"Last-Event-ID": last}
        with ann._http.stream("GET", "events", headers=headers) as answer:
            number, kind, data = next(told(answer.iter_lines()))
        assert (int(number), kind, data["detail"]["name"]) == (int(last) + 1, "changed", "other")
        past = ann.json("GET", "events/past", params={"sweep": sweep})
        assert past[0]["kind"] == "submitted"
        newest = {"sweep": sweep, "newest": True, "limit": 2}
        first = ann.json("GET", "events/past", params=newest)
        rest = ann.json("GET", "events/past", params={**newest, "before": first[-1]["id"]})
        assert [*first, *rest] == past[: -len([*first, *rest]) - 1 : -1]
        assert len(rest) == 2


def test_a_sweep_whose_folder_and_whose_owner_are_gone_is_trained_whole(tmp_path):
    gate = Gate(2)  # a measurement of speed, and a link
    with asked(tmp_path, lambda: gate) as person:
        ann, bob, served = person("ann"), person("bob", "viewer"), person.served
        sweep = ann.submit()["id"]
        wait_for(lambda: bob.json("GET", f"sweeps/{sweep}")["finished"])
        served.folder(sweep).rename(tmp_path / "gone")
        people = served.service.ledger.people
        (token,) = [token.id for token in people.tokens() if token.person == "ann"]
        people.revoke(token)
        ann("GET", "me", expect=401)
        gate.allowed = None
        ended = bob.ended(sweep)
        assert (ended["state"], ended["finished"]) == ("done", ended["total"]), ended["reason"]
        found = bob.json("GET", f"sweeps/{sweep}/trials", params={"columns": "number"})["rows"]
        assert found == [[number] for number in range(ended["total"])]
        summary = bob.json("GET", f"sweeps/{sweep}/files/summary")
        assert summary["trials"]["complete"] == ended["total"]


def test_what_is_at_no_path_and_what_is_no_json_are_told_so(person):
    ann = person("ann")
    for method, path, status in (("GET", "nowhere", 404), ("PUT", "sweeps", 405)):
        told = problem_of(ann(method, path, expect=status))
        assert f"There is no {method} /v1/{path}." in told
    answer = ann(
        "POST", "sweeps", expect=422, content=b"{oops", headers={"Content-Type": "application/json"}
    )
    assert problem_of(answer).startswith("The body is not JSON: ")
    told = problem_of(ann("GET", "sweeps/zzz", expect=422))
    assert told.startswith("sweep: String should match pattern")
    told = problem_of(
        ann("POST", "sweeps", expect=422, json={"grid": "smoke", "dataset": "/etc/passwd"})
    )
    assert told.endswith("or upload it: the administrator has not allowed any folder with --data.")


@pytest.mark.parametrize("more", [{}, {"sampler": "random", "trials": 10}])
def test_a_status_is_that_of_the_folder_and_reads_its_log_once(tmp_path, monkeypatch, more):
    with asked(tmp_path) as person:
        ann = person("ann")
        ended = ann.ended(ann.submit(grid=GRID, **more)["id"])
        folder = person.served.folder(ended["id"])
        of_folder = status_of(RunState.read(folder)).model_dump(mode="json", by_alias=True)
        monkeypatch.setattr("search.watch.run_state.read_columns", None)
        manifests, really = [], RunFolder.read_manifest
        monkeypatch.setattr(
            RunFolder, "read_manifest", lambda self: manifests.append(self) or really(self)
        )
        told = ann.json("GET", f"sweeps/{ended['id']}/status")
        assert len(manifests) == 1
        assert told == {**of_folder, "run": ended["id"]}
        assert len(told["best"]) == 10
        assert told["newest_links"]
        monkeypatch.setattr("search.api.standing.status_of", None)
        assert ann.json("GET", f"sweeps/{ended['id']}/status?again") == told
        assert ann("GET", f"sweeps/{ended['id']}/trials").json()["columns"][-1] == "source"


@pytest.mark.parametrize("first", ["search.api.standing.RunState.read", TABLES_GET])
def test_a_sweep_that_ends_while_its_status_is_read_has_all_its_rows(tmp_path, monkeypatch, first):
    gate = Gate(allowed=2)
    with asked(tmp_path, lambda: gate) as person:
        ann = person("ann")
        sweep = ann.submit(grid=GRID)["id"]
        wait_for(lambda: ann.json("GET", f"sweeps/{sweep}")["finished"])
        really, ending = pkgutil.resolve_name(first), []

        def read(*args):
            found = really(*args)
            if not ending:  # between this and what is read after it, or before
                ending.append(True)
                gate.allowed = None
                person.served.ended(sweep)
            return found

        monkeypatch.setattr(first, staticmethod(read) if "RunState" in first else read)
        for _ in range(2):
            told = ann.json("GET", f"sweeps/{sweep}/status")
            rows = told["trials"]["finished"], len(told["best"])
            assert rows == (16, 10) or told["wall_s"] is None
        assert ending
        assert rows == (16, 10)


def test_who_asks_too_often_waits_as_long_as_is_said(tmp_path):
    clock = [0.0]
    with asked(tmp_path, rates=Rates(2.0, 3, lambda: clock[0])) as person:
        ann, bob = person("ann"), person("bob")
        for _ in range(3):
            ann("GET", "me")
        answer = ann("GET", "me", expect=429)
        assert answer.headers["Retry-After"] == "1"
        assert "2 requests a second" in problem_of(answer)
        bob("GET", "me")
        clock[0] = 1.0
        ann("GET", "me")


def test_the_description_is_whole_and_names_what_each_route_may_answer(person):
    found = httpx2.get(f"{person.url}/v1/openapi.json").json()
    assert found["info"]["title"] == "packsweep"
    for path, routes in found["paths"].items():
        for method, route in routes.items():
            assert route["summary"], (method, path)
            assert route["security"] == [{"HTTPBearer": []}]
            assert {"401", "422"} <= set(route["responses"])
            assert len(route["operationId"]) < 120
            assert {"400", "503"} <= set(route["responses"])
            for status, answer in route["responses"].items():
                if status >= "400":
                    ((kind, content),) = answer["content"].items()
                    assert kind == "application/problem+json"
                    assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
            ann = person("ann")
            if method == "get" and "{" not in path and path not in {"/v1/events", "/v1/acts"}:
                has_tag = "ETag" in ann("GET", path.removeprefix("/v1/")).headers
                assert has_tag == ("304" in route["responses"])
    for path in ("", "/status", "/trials", "/bins"):
        assert "304" in found["paths"]["/v1/sweeps/{sweep}" + path]["get"]["responses"]
    assert "except this description" in found["info"]["description"]


def test_no_request_that_the_description_allows_makes_the_service_fail(tmp_path):
    """Schemathesis makes requests of the description: lawful ones, and broken ones."""
    with asked(tmp_path, lambda: Gate(0), open_sweeps=1, sweeps=10**6, trials=10**4) as person:
        token = person.served.service.ledger.people.add_token("root", "admin")
        sweep = person("root", "admin").submit()["id"]
        headers = {"Authorization": f"Bearer {token}"}
        schema = schemathesis.openapi.from_url(f"{person.url}/v1/openapi.json", headers=headers)
        for found in schema.get_all_operations():
            operation = found.ok()
            if operation.path == "/v1/events":
                continue  # it never ends
            for mode in GenerationMode:
                try_operation(operation.as_strategy(generation_mode=mode), headers, sweep)


def try_operation(cases, headers, sweep):
    """Send requests to one route."""

    @settings(max_examples=12, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(cases, st.booleans())
    def tried(case, there):
        if there and "sweep" in (case.path_parameters or {}):
            case.path_parameters["sweep"] = sweep
        # A plan of the largest grid takes seconds on a busy machine; another one is told so.
        answer = case.call(headers=headers, timeout=120)
        assert answer.status_code < 500 or answer.status_code == 503, answer.text

    with suppress(Unsatisfiable):  # a route whose requests cannot be broken
        tried()


def test_a_clone_that_fails_is_told_as_a_failure_where_there_is_such_a_sweep(tmp_path, monkeypatch):
    with still(tmp_path) as served, listening(served.desk) as url:
        ann = Api(url, served.service.ledger.people.add_token("ann", "submitter"))
        sweep = written(served)

        def cloned(row, changes):
            raise KeyError("space")

        monkeypatch.setattr(served.desk, "cloned", cloned)
        unknown = ann("POST", "sweeps/0123456789/clone", expect=404, json={})
        assert "There is no sweep 0123456789" in problem_of(unknown)
        failed = ann("POST", f"sweeps/{sweep}/clone", expect=500, json={})
        assert "has failed at this" in problem_of(failed)
        ann.close()


@pytest.mark.parametrize("query", [{"before": 3}, {"after": 3, "newest": True}])
def test_what_does_not_go_together_is_refused_of_past_events(person, query):
    refused = person("ann")("GET", "events/past", expect=422, params=query)
    assert "newest=true" in problem_of(refused)
