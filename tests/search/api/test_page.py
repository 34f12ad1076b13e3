"""The page in a real browser, from signing in to signing out."""

import itertools
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from over_http import asked, listening
from serving import Gate, grid, still, wait_for, written

pytestmark = pytest.mark.xdist_group("browser")

WIDE = grid(batch_size=[32, 64, 128, 256], epochs=[2, 4, 8])
TOML = """dataset = "digits"
[space]
batch_size = [32, 64, 128, 256]
learning_rate = [1e-6, 5e-6]
epochs = [2, 4, 8]
alpha = [0.1, 10.0]
"""


@pytest.fixture
def opened(pages):
    """Return a function that opens the page of a service."""

    # The service ends before its page does, in the middle of the stream of events.
    ended = ("ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_REFUSED")

    def at(url, width=1200, scheme="light"):
        own = (f"{url}/", "blob:", "data:")
        return pages(f"{url}/", own=own, expected=ended, width=width, scheme=scheme)

    at.complaints = pages.complaints
    return at


def sign_in(page, token):
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Sweeps").wait_for()


def token_of(person, name="ann", role="submitter"):
    return person.served.service.ledger.people.add_token(name, role)


def test_from_signing_in_to_signing_out(tmp_path, opened):
    gate = Gate(allowed=0)
    with asked(tmp_path, lambda: gate) as person:
        page = opened(person.url)
        page.clock.install()  # which goes as any clock does, until it is put forward
        page.reload()
        sign_in(page, token_of(person))
        page.get_by_text("Nothing runs and nothing waits").wait_for()
        page.get_by_role("navigation").get_by_role("link", name="Submit").click()
        page.get_by_label("Grid (TOML)").fill(TOML)
        page.get_by_label("Name").fill("mine")
        page.get_by_role("button", name="Show the plan").click()
        page.get_by_text("trajectories").wait_for()
        page.get_by_role("button", name="Submit").click()
        page.get_by_role("heading", name=re.compile("mine (queued|running)")).wait_for()
        gate.allowed = 2  # a measurement of speed, where none is kept, and a link
        sweep = page.url.rpartition("/")[2]
        api = person("ann")
        pause = page.get_by_role("button", name="Pause")
        pause.hover()
        page.mouse.down()
        wait_for(lambda: api.json("GET", f"sweeps/{sweep}")["finished"])
        link = page.get_by_role("region", name="Newest links").get_by_role("row").nth(1)
        link.get_by_text("batch=").wait_for()
        assert re.search(r"20\d\d.* [A-Z]{3}", link.inner_text())  # a date, and its zone
        page.get_by_role("region", name="Trials").wait_for()
        assert page.locator("svg .cell").count() > 0
        # All was drawn anew while the button was held down, and it still is the button.
        pause.hover()
        page.mouse.up()
        page.get_by_role("heading", name="mine pausing").wait_for()
        page.get_by_role("status").get_by_text("mine pausing").wait_for()
        gate.allowed = 1
        page.get_by_role("heading", name="mine paused").wait_for()
        assert page.evaluate("document.activeElement.textContent") == "Resume"
        assert_it_is_told_and_does_not_ask(page)
        for act in ("Cancel", "Stop"):
            assert "cannot be undone" in dismissed(page, page.get_by_role("button", name=act))
        assert api.json("GET", f"sweeps/{sweep}")["wanted"] == "pause"
        gate.allowed = None
        page.get_by_role("button", name="Resume").click()
        page.get_by_role("heading", name="mine done").wait_for()
        page.get_by_role("link", name="Clone with other values").click()
        space = page.get_by_label("Space (JSON)")
        space.fill(space.input_value().replace("10.0", "10.0, 3.0"))
        page.get_by_role("button", name="Submit").click()
        page.get_by_role("heading", name="mine-2 done").wait_for()
        assert page.get_by_text(f"48 trials of mine-{sweep}").count() == 1
        page.get_by_role("link", name="Compare", exact=True).last.click()
        page.get_by_label(re.compile(rf"\({sweep}\)")).check()
        page.get_by_role("region", name="Settings that differ").get_by_text(
            "space.alpha"
        ).wait_for()
        with page.expect_download() as download:
            page.goto(f"{person.url}/#/sweeps/{sweep}")
            page.get_by_role("button", name="Get report").click()
        assert download.value.suggested_filename == f"mine-{sweep}.html"
        assert_a_sweep_is_deleted_after_a_question(page, api, sweep)
        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("Token").wait_for()
        assert page.evaluate("sessionStorage.length") == 0
        (other,) = api.json("GET", "sweeps")["sweeps"]
        sign_in(page, token_of(person, "bob"))
        page.goto(f"{person.url}/#/sweeps/{other['id']}")
        page.get_by_role("button", name="Get report").wait_for()
        assert page.get_by_role("button", name="Delete").count() == 0


def dismissed(page, button):
    """Press a button, say no to what it asks, and return that."""
    asked = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    button.click()
    wait_for(lambda: page.evaluate("0") == 0 and asked)
    (text,) = asked
    return text


def assert_a_sweep_is_deleted_after_a_question(page, api, sweep):
    delete = page.get_by_role("button", name="Delete")
    size = api.json("DELETE", f"sweeps/{sweep}?dry_run=true")["bytes"]
    assert f"frees {round(size / 2**20, 1):g} MiB" in dismissed(page, delete)
    page.once("dialog", lambda dialog: dialog.accept())
    delete.click()
    page.get_by_role("heading", name="Sweeps").wait_for()
    page.get_by_role("link", name="mine-2").wait_for()
    page.get_by_role("link", name="mine", exact=True).wait_for(state="detached")
    api("GET", f"sweeps/{sweep}", expect=404)


def assert_it_is_told_and_does_not_ask(page):
    """Ten minutes pass on the page's clock: who asks each second or two does so hundreds of times.

    So what has come was told by the stream, which looks three times a second.
    """
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for("10:00")
    page.evaluate("0")  # requests that were sent meanwhile are told before
    assert len(asked) < 30, asked  # of events that were on their way


@contextmanager
def receiver(status=204):
    """Give the address of a server that takes what hooks send, and what it has had."""
    had = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            had.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", had
        finally:
            server.shutdown()
            thread.join()


def test_hooks_are_added_tested_looked_at_and_removed_by_keys_alone(tmp_path, opened):
    with receiver() as (host, had), asked(tmp_path, hooks=(host,)) as person:
        page = opened(person.url, width=390, scheme="dark")
        sign_in(page, token_of(person, "root", "admin"))
        page.get_by_role("navigation").get_by_role("link", name="Hooks").press("Enter")
        page.get_by_text("None yet.").wait_for()
        page.get_by_label("Address").fill("http://elsewhere.example/x")
        page.keyboard.press("Enter")
        page.get_by_role("alert").get_by_text("Hooks at elsewhere.example are not").wait_for()
        page.get_by_label("Address").fill(f"http://{host}/x")
        page.get_by_label("deleted").press("Space")
        page.get_by_role("button", name="Add").press("Enter")
        secret = page.locator("code").inner_text()
        (hook,) = person.served.service.ledger.hooks.all()
        assert (hook.secret, hook.person) == (secret, "root")
        assert hook.kinds == ("done", "failed", "cancelled", "deleted")
        page.get_by_role("button", name=f"Test hook {hook.id}").press("Enter")
        page.get_by_text(f"Test of hook {hook.id}: answered 204.").wait_for()
        assert [sent["type"] for sent in had] == ["test"]
        sent = page.get_by_role("region", name="Deliveries")
        sent.get_by_text("answered 204").wait_for()
        page.locator(f"[aria-label='Test hook {hook.id}']:focus").wait_for()  # which was drawn anew
        page.get_by_role("button", name=f"Deliveries hook {hook.id}").press("Enter")
        sent.wait_for(state="detached")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name=f"Remove hook {hook.id}").press("Enter")
        page.get_by_text(f"Hook {hook.id} is removed.").wait_for()
        page.get_by_text("None yet.").wait_for()
        assert person.served.service.ledger.hooks.all() == []
        refused = [text for text in opened.complaints if "status of 422" in text]
        assert len(refused) == 1
        opened.complaints.clear()


def test_a_mistake_is_told_in_the_service_s_words_and_a_viewer_cannot_submit(tmp_path, opened):
    with asked(tmp_path) as person:
        page = opened(person.url)
        page.get_by_label("Token").fill("nonsense")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("alert").get_by_text("unknown, revoked or expired").wait_for()
        sign_in(page, token_of(person))
        page.goto(f"{person.url}/#/submit")
        page.get_by_label("Grid (TOML)").fill("nothing = [")
        page.get_by_role("button", name="Submit").click()
        page.get_by_role("alert").get_by_text("not valid TOML").wait_for()
        page.goto(f"{person.url}/#/sweeps/0123456789")
        page.get_by_role("alert").get_by_text("There is no sweep 0123456789").wait_for()
        page.goto(f"{person.url}/#/nowhere")
        page.get_by_role("heading", name="There is no such page").wait_for()
        page.get_by_role("button", name="Sign out").click()
        sign_in(page, token_of(person, "eve", "viewer"))
        page.get_by_role("navigation").get_by_role("link", name="Submit").click()
        page.get_by_text("only lets you look").wait_for()
        # The browser tells of each answer that is a refusal.
        refused = [text for text in opened.complaints if "status of 4" in text]
        assert len(refused) == 3
        opened.complaints.clear()


class Busy:
    """Answers some requests of a page in place of the service, which is busy until `left` is 0."""

    def __init__(self, page, method, address, left, status=503, wait=20):
        self.left, self.status, self.wait, self.keys = left, status, wait, []
        self._method = method
        page.route(re.compile(address), self)

    def __call__(self, route, request):
        if request.method != self._method:
            route.fallback()
            return
        self.keys.append(request.headers.get("idempotency-key"))
        if not self.left:
            route.continue_()
            return
        self.left -= 1
        route.fulfill(
            status=self.status,
            headers={"Retry-After": str(self.wait)},
            json={"detail": "Too many ask."},
        )


def test_what_only_reads_is_asked_again_when_the_service_says(tmp_path, opened):
    with asked(tmp_path) as person:
        page = opened(person.url)
        page.clock.install()
        lists = Busy(page, "GET", r"/v1/sweeps\?state=live", left=2)
        streams = Busy(page, "GET", "/v1/events$", left=1, status=429)
        page.reload()
        page.get_by_label("Token").fill(token_of(person))
        page.get_by_role("button", name="Sign in").click()
        for asked_before in (1, 2):
            page.get_by_role("status").get_by_text("asks again in 20 s").wait_for()
            assert len(lists.keys) == asked_before
            page.clock.run_for(19_000)
            assert len(lists.keys) == asked_before
            page.clock.run_for(2_000)
            wait_for_requests(page, lists, asked_before + 1)
        page.get_by_text("Nothing runs and nothing waits").wait_for()
        wait_for_requests(page, streams, 1)
        page.clock.run_for(21_000)
        wait_for_requests(page, streams, 2)
        page.get_by_text("asks again").wait_for(state="detached")
        assert page.get_by_role("alert").count() == 0
        opened.complaints.clear()  # the browser tells of each refusal


def wait_for_requests(page, busy, count):
    for _ in range(200):
        if len(busy.keys) >= count:
            break
        page.wait_for_timeout(50)
    assert len(busy.keys) == count


def test_an_act_is_asked_again_under_its_key_or_not_at_all(tmp_path, opened):
    # The first sweep is open, so that those after it only wait.
    with asked(tmp_path, lambda: Gate(allowed=0), open_sweeps=1) as person:
        page = opened(person.url)
        page.clock.install()
        page.reload()
        sign_in(page, token_of(person))
        page.get_by_role("navigation").get_by_role("link", name="Submit").click()
        posts = Busy(page, "POST", "/v1/sweeps$", left=1)
        page.get_by_role("button", name="Submit").click()
        wait_for_requests(page, posts, 1)
        page.get_by_role("status").get_by_text("asks again in 20 s").wait_for()
        page.clock.run_for(21_000)
        page.get_by_role("button", name="Pause").wait_for()
        assert len(posts.keys) == 2
        assert len(set(posts.keys)) == 1
        assert posts.keys[0]
        changes = Busy(page, "PATCH", "/v1/sweeps/", left=1)
        page.get_by_role("button", name="Pause").click()
        page.get_by_role("alert").get_by_text("Too many ask.").wait_for()
        page.clock.run_for(60_000)
        page.evaluate("0")
        assert changes.keys == [None]
        api = person("ann")
        assert api.json("GET", "sweeps")["sweeps"][0]["wanted"] == "run"
        assert_numbers_keep_their_form(page, person.url, api)
        opened.complaints.clear()


# To scikit-learn 1.0 are all features, and 1 is one of them. Two tables, as [[space]] has them.
FOREST = {
    "dataset": "digits",
    "trainer": "warm_start:sklearn.ensemble.RandomForestClassifier",
    "space": [
        {"epochs": [5, 10], "max_features": [1.0], "max_leaf_nodes": [1048576]},
        {"epochs": [5], "max_leaf_nodes": [1048577]},
    ],
}


def assert_numbers_keep_their_form(page, url, api):
    made = [api.submit(grid=FOREST, name="forest")["id"]]
    for text, other in (("1048577", "1048577"), ("1.0", "1")):
        page.goto(f"{url}/#/submit/{made[0]}")
        space = page.get_by_label("Space (JSON)")
        assert space.input_value().count(text) == 1
        space.fill(space.input_value().replace(text, other))
        page.get_by_role("button", name="Submit").click()
        page.get_by_role("heading", name="forest-2").wait_for()
        made.append(page.url.rpartition("/")[2])
    # Not compared as numbers, of which Python takes 1 and 1.0 for the same.
    spaces = [json.dumps(api.json("GET", f"sweeps/{one}")["settings"]["space"]) for one in made]
    assert spaces[0] == spaces[1] == json.dumps(FOREST["space"])
    assert spaces[2] == spaces[0].replace("1.0", "1")
    differ = page.get_by_role("region", name="Settings that differ")
    page.goto(f"{url}/#/compare/{made[0]},{made[1]}")
    differ.get_by_text("forest-2").last.wait_for()
    assert differ.locator("tbody tr").count() == 1  # their names
    page.goto(f"{url}/#/compare/{made[0]},{made[2]}")
    for form in ("1.0", "1"):
        differ.get_by_text(f'"max_features":[{form}],"max_leaf_nodes":[1048576]').wait_for()
    numbers = "(url) => import(url).then((m) => [1048576, 123456.7, 5e-7].map(m.number))"
    assert page.evaluate(numbers, f"{url}/parts.js") == ["1048576", "123460", "5e-7"]


def test_the_list_has_all_that_runs_and_what_has_ended_page_by_page(tmp_path, opened):
    with asked(tmp_path, lambda: Gate(allowed=0)) as person:
        api, ledger = person("ann"), person.served.service.ledger
        ids = {"runs": api.submit(name="runs")["id"]}
        wait_for(lambda: listed(api)[0]["state"] == "running")  # and has the only core
        for seed, name in enumerate(("paused", "waits")):
            ids[name] = api.submit(name=name, seed=seed + 1)["id"]
        api("PATCH", f"sweeps/{ids['paused']}", json={"wanted": "pause"})
        wait_for(lambda: [s["state"] for s in listed(api)] == ["queued", "paused", "running"])
        old = ended_ones(ledger, ids["runs"], 120)
        page = opened(person.url)
        sign_in(page, token_of(person))
        # What is at work comes first, and what has no place last.
        live, ended = (
            page.get_by_role("region", name=name)
            for name in ("Running and waiting", "Ended sweeps")
        )
        ended.wait_for()
        assert names_in(live) == ["runs", "waits", "paused"]
        assert names_in(ended) == [f"old-{n}" for n in range(119, 69, -1)]
        more = page.get_by_role("button", name="Older ones")
        more.click()
        ended.get_by_role("link", name="old-20").wait_for()
        # Who stands at a link stays there, and what ends moves to the table that it belongs to.
        live.get_by_role("link", name="waits").focus()
        api("PATCH", f"sweeps/{ids['paused']}", json={"wanted": "cancel"})
        ended.get_by_role("link", name="paused").wait_for()
        assert names_in(live) == ["runs", "waits"]
        assert page.evaluate("document.activeElement.textContent") == "waits"
        shown = ["paused", *(f"old-{n}" for n in range(119, 19, -1))]
        assert names_in(ended) == shown
        with ledger.transaction():
            for gone in (old[30], old[110]):
                ledger.sweeps.remove(gone)
                ledger.events.add(gone, "ann", "deleted", bytes=0)
        ended.get_by_role("link", name="old-30").wait_for(state="detached")
        ended.get_by_role("link", name="old-110").wait_for(state="detached")
        more.click()
        ended.get_by_role("link", name="old-0").wait_for()
        assert names_in(ended) == [
            name for name in [*shown, *(f"old-{n}" for n in range(19, -1, -1))]
            if name not in ("old-30", "old-110")
        ]  # fmt: skip
        assert not more.is_visible()
        assert_the_newest_events_come_first(page, person, ids["waits"])


def test_what_is_cancelled_and_has_not_ended_is_last_of_what_lives_and_cannot_be_deleted(
    tmp_path, opened
):
    with still(tmp_path) as served, listening(served.desk) as url:
        first, last = written(served, name="first"), written(served, name="last")
        served.desk.change(served.person("ann"), last, wanted="cancel")
        served.desk.change(served.person("ann"), first, wanted="pause")
        page = opened(url)
        sign_in(page, served.service.ledger.people.add_token("ann", "submitter"))
        live = page.get_by_role("region", name="Running and waiting")
        live.get_by_role("link", name="last").wait_for()
        assert names_in(live) == ["first", "last"]
        live.get_by_role("link", name="last").click()
        page.get_by_role("heading", name="last cancelled").wait_for()
        page.get_by_role("button", name="Cancel").wait_for()
        assert page.get_by_role("button", name="Delete").count() == 0


def listed(api):
    return api.json("GET", "sweeps?state=live")["sweeps"]


def ended_ones(ledger, like, count):
    """Write sweeps down that have ended, as copies of another one; return their identities."""
    same = (
        "person, queue, priority, settings, options, dataset, total, folder, request_digest,"
        " wanted, submitted_at"
    )
    ids = [f"{n:010x}" for n in range(count)]
    with ledger.transaction():
        for n, sweep in enumerate(ids):
            ledger._database.write(
                f"insert into sweep (id, name, ended, ended_at, {same})"
                f" select ?, ?, 'done', ?, {same} from sweep where id = ?",
                (sweep, f"old-{n}", 1e9 + n, like),
            )
    return ids


def names_in(region):
    """Return the names of the sweeps in a table."""
    return region.locator("tbody a").all_inner_texts()


def assert_the_newest_events_come_first(page, person, sweep):
    events = person.served.service.ledger.events
    with person.served.service.ledger.transaction():
        for n in range(250):
            events.add(sweep, "ann", "changed", number=n)
    page.goto(f"{person.url}/#/sweeps/{sweep}")
    rows = page.get_by_role("region", name="Events").locator("tbody tr")
    rows.filter(has_text="number 249").wait_for()
    assert "number 249" in rows.first.inner_text()
    assert rows.count() == 200
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    events.add(sweep, "ann", "changed", number=250)
    rows.filter(has_text="number 250").wait_for()  # by the stream
    assert not [url for url in asked if "events/past" in url]
    page.get_by_role("button", name="Older ones").click()
    rows.filter(has_text="submitted").wait_for()
    numbers = [int(n) for n in re.findall(r"number (\d+)", "\n".join(rows.all_inner_texts()))]
    assert numbers == list(range(250, -1, -1))


# A stream says each 15 seconds that it is there; the page's patience is shortened here.
IMPATIENT = """
const timeout = AbortSignal.timeout.bind(AbortSignal);
AbortSignal.timeout = (milliseconds) => timeout(milliseconds / 50);
"""


def test_a_service_that_is_gone_is_told_until_it_is_there_again(tmp_path, opened):
    with asked(tmp_path, lambda: Gate(allowed=0)) as person:
        page = opened(person.url)
        page.add_init_script(IMPATIENT)
        page.reload()
        sign_in(page, token_of(person))
        held = []

        def hold(route):
            held.append(route)

        page.route(re.compile("/v1/events$"), hold)
        lost = page.locator("#lost")
        lost.get_by_text(re.compile(r"No connection to the service since \d+:\d\d")).wait_for()
        # A stream that was open and silent was given up, and so is one that does not begin.
        wait_for(lambda: page.evaluate("0") == 0 and len(held) > 1)
        assert lost.inner_text()
        person("ann").submit(name="meanwhile")
        page.unroute(re.compile("/v1/events$"))
        page.get_by_role("link", name="meanwhile").wait_for()
        page.locator("#lost:empty").wait_for(state="attached")
        page.route(re.compile("/v1/events$"), lambda route: route.abort())
        lost.get_by_text("trying again").wait_for()
        page.get_by_role("navigation").get_by_role("link", name="Submit").click()
        page.locator("#lost:empty").wait_for(state="attached")  # nobody listens there
        opened.complaints.clear()  # the browser tells of what was cut off


@pytest.mark.parametrize("seconds", [61, 3600, 2**31])
def test_nothing_waits_for_longer_than_a_minute(tmp_path, opened, seconds):
    with asked(tmp_path) as person:
        page = opened(person.url)
        page.clock.install()
        lists = Busy(page, "GET", r"/v1/sweeps\?state=live", left=1, wait=seconds)
        streams = Busy(page, "GET", "/v1/events$", left=1, wait=seconds)
        page.reload()
        page.get_by_label("Token").fill(token_of(person))
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("alert").get_by_text("Too many ask.").wait_for()
        page.get_by_role("status").get_by_text("asks again in 60 s").wait_for()
        page.clock.run_for(50_000)
        page.evaluate("0")
        assert (len(lists.keys), len(streams.keys)) == (1, 1)
        page.clock.run_for(11_000)
        wait_for_requests(page, streams, 2)
        opened.complaints.clear()  # the browser tells of each refusal


def test_a_page_that_was_left_sends_and_says_no_more(tmp_path, opened):
    with asked(tmp_path, lambda: Gate(allowed=0)) as person:
        api = person("ann")
        page = opened(person.url)
        page.clock.install()
        page.reload()
        sign_in(page, token_of(person))
        busy, pages = page.locator("#busy"), page.get_by_role("navigation")
        pages.get_by_role("link", name="Submit").click()
        posts = Busy(page, "POST", "/v1/sweeps$", left=1)
        page.get_by_role("button", name="Submit").click()
        assert_it_ends_when_left(page, posts, pages.get_by_role("link", name="Sweeps"))
        assert api.json("GET", "sweeps")["sweeps"] == []
        sweep = api.submit(grid=WIDE)["id"]
        page.goto(f"{person.url}/#/submit/{sweep}")
        posts = Busy(page, "POST", f"/v1/sweeps/{sweep}/clone$", left=1)
        page.get_by_role("button", name="Submit").click()
        assert_it_ends_when_left(page, posts, pages.get_by_role("link", name="Hooks"))
        assert len(api.json("GET", "sweeps")["sweeps"]) == 1
        looks = Busy(page, "GET", f"/v1/sweeps/{sweep}$", left=1)
        page.goto(f"{person.url}/#/sweeps/{sweep}")
        assert_it_ends_when_left(page, looks, pages.get_by_role("link", name="Hooks"))
        page.goto(f"{person.url}/#/sweeps/{sweep}")
        files = Busy(page, "GET", "/files/summary$", left=1)
        page.get_by_role("button", name="Get summary").click()
        busy.get_by_text("asks again").wait_for()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("Token").wait_for()
        page.clock.run_for(21_000)
        page.evaluate("0")
        assert len(files.keys) == 1
        assert busy.inner_text() == ""
        assert page.get_by_role("alert").count() == 0
        opened.complaints.clear()  # the browser tells of each refusal


def assert_it_ends_when_left(page, busy, elsewhere):
    page.locator("#busy").get_by_text("asks again").wait_for()
    elsewhere.click()
    page.get_by_text("None yet.").first.wait_for()
    assert page.locator("#busy").inner_text() == ""
    page.clock.run_for(21_000)
    page.evaluate("0")
    assert len(busy.keys) == 1
    assert page.get_by_role("alert").count() == 0


def test_who_is_refused_at_first_keeps_the_token_and_can_try_again(tmp_path, opened):
    with asked(tmp_path) as person:
        page = opened(person.url)
        token = token_of(person)
        sign_in(page, token)
        refused = Busy(page, "GET", "/v1/me$", left=2, wait=3600)
        page.reload()
        page.get_by_role("alert").get_by_text("Too many ask.").wait_for()
        assert page.get_by_label("Token").input_value() == token
        page.goto(f"{person.url}/#/submit")
        wait_for_requests(page, refused, 2)
        page.get_by_role("alert").get_by_text("Too many ask.").wait_for()
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Submit a sweep").wait_for()
        assert page.get_by_role("alert").count() == 0
        page.get_by_role("button", name="Sign out").click()
        assert page.get_by_label("Token").input_value() == ""
        opened.complaints.clear()  # the browser tells of each refusal


def test_names_and_values_are_shown_as_text(tmp_path, opened):
    with asked(tmp_path) as person:
        api = person("ann")
        sweep = api.submit(name="x.y-z", grid=WIDE, objective="accuracy")["id"]
        best = api.ended(sweep)["best"]
        page = opened(person.url)
        page.evaluate("window.hit = false")
        page.add_init_script("window.hit = false")
        sign_in(page, token_of(person))
        page.get_by_text("x.y-z").first.wait_for()
        assert_what_it_is_best_by_is_told(page, person.url, sweep, best)
        service = person.served.service
        with service.ledger.transaction():
            service.ledger._database.write(
                "update sweep set name = ?, reason = ?",
                ("<img src=x onerror='window.hit=true'>", "<script>window.hit=true</script>"),
            )
        page.reload()
        page.get_by_text("<img src=x").first.wait_for()
        assert page.evaluate("window.hit") is False


def assert_what_it_is_best_by_is_told(page, url, sweep, best):
    assert best["objective"] == "accuracy"
    value, cost = (f"{best[name]:.5g}" for name in ("value", "cost"))
    both = f"accuracy {value}, cost {cost}"
    page.get_by_role("region", name="Ended sweeps").get_by_text(both).wait_for()
    page.goto(f"{url}/#/compare/{sweep}")
    results = page.get_by_role("region", name="Results")
    results.get_by_text(both).wait_for()
    assert results.get_by_role("link", name="x.y-z").count() == 1
    page.goto(f"{url}/#/sweeps/{sweep}")
    page.locator("dt", has_text="best accuracy").wait_for()
    facts = dict(
        zip(page.locator("dt").all_inner_texts(), page.locator("dd").all_inner_texts(), strict=True)
    )
    assert (facts["best accuracy"], facts["cost of that trial"]) == (value, cost)
    assert "best cost" not in facts
    page.goto(f"{url}/#/")


def test_nothing_is_wider_than_the_window_and_all_is_reached_by_keys(tmp_path, opened):
    with asked(tmp_path) as person:
        api = person("ann")
        sweep = api.submit(grid=WIDE, name="a-sweep-with-a-long-name-that-goes-on-and-on")["id"]
        api.ended(sweep)
        page = opened(person.url)
        sign_in(page, token_of(person))
        for width, scheme in [(1200, "dark"), (390, "light"), (390, "dark")]:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            assert_all_is_reached(page, person.url, sweep, width)


def assert_all_is_reached(page, url, sweep, width):
    for address in ("", f"sweeps/{sweep}", "submit", f"submit/{sweep}", f"compare/{sweep}"):
        page.goto(f"{url}/#/{address}")
        page.locator("h1").wait_for()
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
    assert_names_of_axes_are_apart(page, url, sweep)
    page.goto(f"{url}/#/sweeps/{sweep}")
    page.get_by_role("region", name="Trials").wait_for()
    reached = set()
    for _ in range(120):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.textContent.trim().slice(0, 30)"))
    assert {"Clone with other values", "Get report", "val_cost ▲"} <= reached
    bin_of_alpha = page.get_by_role("button", name="alpha 0.1")
    bin_of_alpha.focus()
    page.keyboard.press("Enter")
    page.get_by_text("trials in the selected bins").wait_for()
    # What is drawn anew keeps the keyboard, and the next bin widens the range.
    page.locator("[aria-label='alpha 0.1']:focus").wait_for()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.locator("svg .band").nth(1).wait_for()
    page.get_by_role("button", name="Clear the selection").press("Enter")
    bin_of_alpha.locator("xpath=self::*[@aria-pressed='false']").wait_for()
    assert axes_of(page) == ["batch_size", "learning_rate", "epochs", "alpha", "val_cost"]
    for _ in range(2):
        page.get_by_role("button", name="Move alpha to the left").press("Enter")
    assert axes_of(page) == ["batch_size", "alpha", "learning_rate", "epochs", "val_cost"]


def assert_names_of_axes_are_apart(page, url, sweep):
    page.goto(f"{url}/#/sweeps/{sweep}")
    page.locator("svg .ribbon").first.wait_for()
    ends = page.get_by_role("group", name="Parallel coordinates").evaluate(
        """svg => [...svg.querySelectorAll("text[y='12']")].map((text) => {
             const { left, right } = text.getBoundingClientRect();
             return [left, right];
           })"""
    )
    assert len(ends) == 5
    assert all(right <= left for (_, right), (left, _) in itertools.pairwise(ends)), ends


def axes_of(page):
    """Return the axes from left to right, by what the ribbons between them say."""
    order = page.get_by_role("group", name="Order of the axes").locator("> span")
    names = [re.sub(r"[^a-z_]", "", text) for text in order.all_inner_texts()]
    figure = page.locator("figure").filter(has=page.locator("svg .ribbon"))
    said = []
    for left in ("M12", None):
        ribbons = figure.locator("svg .ribbon")
        ribbon = ribbons.first if left else ribbons.last
        ribbon.dispatch_event("pointerover", {"bubbles": True})
        said += re.findall(r"(?:^|, )([a-z_]+) [^,:]*", figure.locator(".readout").inner_text())[:2]
    assert [*names[:2], *names[-2:]] == said
    return names


def test_what_the_page_draws_does_not_grow_with_trials(tmp_path, opened):
    with asked(tmp_path) as person:
        api = person("ann")
        many = grid(alpha=[0.01 * i for i in range(1, 200)], epochs=list(range(1, 9)))
        sweep = api.submit(grid=many)["id"]
        assert api.ended(sweep)["finished"] == 6368
        page = opened(person.url)
        sign_in(page, token_of(person))
        page.goto(f"{person.url}/#/sweeps/{sweep}")
        page.locator("svg .cell").first.wait_for()
        marks = "document.querySelectorAll('svg *').length"
        assert page.evaluate(marks) <= 5000
        ribbons = page.locator("svg .ribbon").count()
        assert ribbons > 100
        assert page.locator("svg .line").count() == 1000
        page.get_by_label("the best as lines").uncheck()
        assert page.locator("svg .line").count() == 0
        assert page.locator("svg .ribbon").count() == ribbons
        assert page.evaluate(marks) <= 4000


def test_the_table_has_the_trials_in_the_bins_that_are_picked(tmp_path, opened):
    with asked(tmp_path) as person:
        api = person("ann")
        sweep = api.submit(grid=grid(alpha=[0.1, 1.0, 10.0], epochs=list(range(1, 21))))["id"]
        total = api.ended(sweep)["finished"]
        page = opened(person.url)
        sign_in(page, token_of(person))
        page.goto(f"{person.url}/#/sweeps/{sweep}")
        page.get_by_role("button", name="alpha 10", exact=True).press("Enter")
        page.get_by_text(f"{total // 3} of {total} trials, those in the selected bins").wait_for()
        rows = rows_of(page)
        assert {row["alpha"] for row in rows} == {"10"}
        page.get_by_role("button", name="Order by epochs").click()
        page.get_by_text("epochs ▲").wait_for()
        while page.get_by_role("button", name="More trials").is_visible():
            had = len(rows_of(page))
            page.get_by_role("button", name="More trials").dblclick()
            page.locator(ROWS).nth(had).wait_for()
        rows = rows_of(page)
        assert {row["alpha"] for row in rows} == {"10"}
        assert len({row["number"] for row in rows}) == len(rows) == total // 3
        assert (epochs := [int(row["epochs"]) for row in rows]) == sorted(epochs)
        page.get_by_role("button", name="Clear the selection").press("Enter")
        page.get_by_text("those in the selected bins").wait_for(state="detached")
        assert {row["alpha"] for row in rows_of(page)} == {"0.1", "1", "10"}
        page.get_by_role("region", name="Events").get_by_text("params batch_size").wait_for()
        assert "[object" not in page.locator("main").inner_text()


ROWS = "[aria-label=Trials] tbody tr"


def rows_of(page):
    """Return the rows of the table of trials, by the names of their columns."""
    found = page.get_by_role("region", name="Trials")
    names = [text.split()[0] for text in found.locator("th").all_inner_texts()]
    told = found.locator("tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.cells].map((cell) => cell.innerText))"
    )
    return [dict(zip(names, row, strict=True)) for row in told]
