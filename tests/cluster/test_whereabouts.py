"""Which tasks have begun, which machines are there: by a clock and a cluster that a test moves."""

from types import SimpleNamespace

import pytest

from cluster import whereabouts
from cluster.whereabouts import Whereabouts


def node(name, *, alive=True, cores=1):
    return {
        "NodeID": name, "NodeManagerAddress": f"address of {name}", "Alive": alive,
        "Resources": {"CPU": cores} if cores else {},
    }  # fmt: skip


@pytest.fixture
def world(monkeypatch):
    """Return what there is: the time, the nodes, the cluster's table, and how often it was read."""
    world = SimpleNamespace(now=1000.0, nodes=[node("a")], table={}, asked=[])

    def get(ticket, namespace):
        world.asked.append(ticket)
        return world.table.get(ticket)

    monkeypatch.setattr(whereabouts.time, "monotonic", lambda: world.now)
    monkeypatch.setattr("ray.nodes", lambda: world.nodes)
    monkeypatch.setattr(whereabouts, "_internal_kv_get", get)
    monkeypatch.setattr(whereabouts, "_internal_kv_del", lambda t, namespace: world.table.pop(t, 0))
    return world


def after(world, seconds, call, *args):
    world.now += seconds
    return call(*args)


def test_a_task_that_ends_soon_is_never_asked_of(world):
    known = Whereabouts()
    for number in range(20):
        world.table[f"{number}"] = b"a 7"
        assert after(world, 4.0, known.begun, [f"{number}"]) == {}
    assert world.asked == []


def test_a_long_one_is_asked_of_until_it_has_begun_and_then_counted(world):
    known = Whereabouts()
    for _ in range(4):
        assert after(world, 5.0, known.begun, ["one"]) == {}
    world.table["one"] = b"a 7"
    assert after(world, 5.0, known.begun, ["one"]) == {"one": ("a", 0.0)}
    asked = len(world.asked)
    for seconds in (5.0, 8.0, 12.0):
        world.now += seconds - known.begun(["one"])["one"][1]
        assert known.begun(["one"]) == {"one": ("a", seconds)}
    assert len(world.asked) == asked
    known.forget("one")
    assert known.begun(["one"]) == {}


def test_the_time_in_which_this_process_was_stopped_does_not_count(world):
    known = Whereabouts()
    world.table["one"] = b"a 7"
    known.begun(["one"])
    after(world, 5.0, known.begun, ["one"])
    ((_, seconds),) = after(world, 86400.0, known.begun, ["one"]).values()
    assert seconds <= whereabouts._LOOK_SECONDS


def test_a_node_is_told_of_once_however_short_it_was_there(world):
    world.nodes = [node("a"), node("long gone", alive=False)]
    known = Whereabouts()
    assert known.newly_gone() == set()
    world.nodes = [node("a"), node("short", alive=False)]
    assert known.newly_gone() == set()  # the list is believed for a second
    assert after(world, 1.0, known.newly_gone) == {"short"}
    world.nodes = []  # the cluster has forgotten them all
    assert after(world, 1.0, known.newly_gone) == {"a"}
    assert after(world, 1.0, known.newly_gone) == set()
    assert known.address_of("a") == "address of a"


def test_work_is_done_where_there_are_cores(world):
    world.nodes = [node("a"), node("head", cores=0), node("gone", alive=False)]
    assert Whereabouts().workplaces() == {"a"}
    assert Whereabouts().address_of("nobody") is None
    assert Whereabouts().address_of(None) is None
