"""Event files, read by TensorBoard's own plugin for hyperparameters."""

from dataclasses import replace

import pytest
from tensorboard_reading import loaded, sessions

from search.config import Range
from search.errors import ConfigError, StoreError
from search.record import Layout
from search.testing.trackers import a_run, a_trial, sent_to
from search.trackers.tensorboard_tracker import TensorboardTracker


@pytest.fixture
def opened(tmp_path):
    return lambda run: TensorboardTracker(str(tmp_path), run)


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_plugin_shows_params_metrics_and_states(tmp_path, opened):
    trial = replace(a_trial(0), params={"alpha": 10.0, "epochs": 3, "loss": "log", "warm": False})
    run = replace(
        a_run(3),
        axes={"alpha": Range(0.0, 10.0), "epochs": (1, 3), "loss": ("log", "hinge"),
              "warm": (True, False)},
        layout=Layout((("alpha", "<f8"), ("epochs", "<i4"), ("loss", "O"), ("warm", "|b1"))),
    )  # fmt: skip
    sent_to(opened, run, [trial, a_trial(1, "PRUNED"), a_trial(2, "FAIL")])
    found = sessions(tmp_path / "first")
    assert found["trial-0"]["metrics"]["val_cost"] == pytest.approx(0.5)
    assert {name: found["trial-0"][name] for name in (*trial.params, "state")} == {
        **trial.params, "state": "COMPLETE",
    }  # fmt: skip
    assert found["trial-1"]["state"] == "PRUNED"
    assert "val_cost" not in found["trial-1"]["metrics"]
    assert [found[f"trial-{n}"]["status"] for n in range(3)] == [1, 1, 2]
    experiment = loaded(tmp_path / "first").experiment
    domains = {info.name: info for info in experiment.hparam_infos}
    assert domains.keys() == {"alpha", "epochs", "loss", "warm", "state"}
    assert domains["alpha"].domain_interval.max_value == 10.0
    assert list(domains["epochs"].domain_discrete) == [1, 3]
    assert list(domains["loss"].domain_discrete) == ["log", "hinge"]
    assert "val_cost" in [info.name.tag for info in experiment.metric_infos]


def test_costs_on_the_way_are_a_curve(tmp_path, opened):
    trial = replace(a_trial(0), series={"reports": ((1, 0.9), (2, 0.8))})
    sent_to(opened, a_run(1), [trial])
    found = loaded(tmp_path / "first").multiplexer.Tensors("trial-0", "reports")
    assert [event.step for event in found] == [1, 2]
    assert [event.tensor_proto.float_val[0] for event in found] == pytest.approx([0.9, 0.8])


def test_the_same_again_touches_no_file(tmp_path, opened):
    sent_to(opened, a_run(2), [a_trial(0), a_trial(1)])
    before = files(tmp_path)
    sent_to(opened, a_run(2), [a_trial(0), a_trial(1)])
    assert files(tmp_path) == before
    assert len(before) == 4


def test_what_a_killed_command_left_is_cleared(tmp_path, opened):
    sent_to(opened, a_run(2), [a_trial(0)])
    (tmp_path / "first" / "trial-0" / ".tmp-x").write_bytes(b"half")
    (tmp_path / "first" / "trial-1").mkdir()
    (tmp_path / "first" / "trial-1" / ".tmp-y").write_bytes(b"half")
    (old,) = (tmp_path / "first").glob("trial-0/events*")
    (old.parent / old.name.replace(".tfevents.1", ".tfevents.2")).write_bytes(old.read_bytes())
    sent_to(opened, a_run(2), [a_trial(0), a_trial(1)])
    assert not list(tmp_path.rglob(".tmp-*"))
    assert sorted(sessions(tmp_path / "first")) == ["trial-0", "trial-1"]
    assert len(list(tmp_path.rglob("events*"))) == 3


def test_a_folder_of_something_else_is_left_alone(tmp_path, opened):
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "mine").write_text("precious")
    with pytest.raises(ConfigError, match="is not of this run"):
        opened(a_run(1))
    (tmp_path / "first" / "mine").unlink()
    sent_to(opened, a_run(1), [])
    with pytest.raises(ConfigError, match="is not of this run"):
        opened(replace(a_run(1), id="another"))


@pytest.mark.parametrize("name", ["../up", "a/b", ".", "..", ".hidden", "", "a\nb"])
def test_a_name_that_is_none_of_a_folder(opened, name):
    with pytest.raises(ConfigError, match="Give a --name"):
        opened(replace(a_run(1), name_there=name))


def test_a_store_of_objects_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="only be written to a disk"):
        TensorboardTracker("s3://bucket/x", a_run(1))


def test_a_disk_that_refuses_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used: Not a directory"):
        sent_to(lambda run: TensorboardTracker(str(tmp_path / "file"), run), a_run(1), [])
