"""What a sampler has asked for is written down, read again, and planned."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.config import AXES
from search.errors import RunFolderError
from search.plan import NO_TRIAL
from search.record import Proposal, Proposals

finite = st.floats(allow_nan=False, allow_infinity=False)
plain = st.dictionaries(
    st.text(max_size=8), st.integers() | finite | st.text(max_size=8) | st.lists(finite, max_size=3)
)
params = st.fixed_dictionaries(
    {
        "batch_size": st.sampled_from([4, 8]),
        "learning_rate": st.floats(1e-9, 1e-5),
        "epochs": st.integers(1, 9),
        "alpha": st.floats(0, 100),
    }
)


@st.composite
def proposals(draw):
    chosen = draw(st.lists(params, min_size=1, max_size=5))
    first = draw(st.integers(0, 20))
    numbers = st.integers(first, first + len(chosen) - 1)
    return Proposal(
        index=0,
        first=first,
        params=chosen,
        attrs=draw(st.lists(plain, min_size=len(chosen), max_size=len(chosen))),
        study_attrs=draw(plain),
        widths={4: draw(st.integers(1, 9)), 8: 3},
        first_pack=draw(st.integers(0, 99)),
        n_packs=draw(st.integers(0, 9)),
        reused=draw(st.lists(numbers, unique=True)),
        copies=draw(st.dictionaries(numbers, st.integers(0, first))),
        told=draw(st.booleans()),
    )


def proposal(index=0, first=0, count=4, **more):
    chosen = [
        {"batch_size": 8, "learning_rate": 1e-6 * (i + 1), "epochs": 2 + i, "alpha": 0.0}
        for i in range(count)
    ]
    return Proposal(index, first, chosen, [{}] * count, {}, widths={8: 2}, **more)


@given(proposals())
def test_what_is_written_is_read_to_the_bit(tmp_path_factory, asked):
    folder = tmp_path_factory.mktemp("run") / "proposals"
    first = asked.first
    if first:  # what comes before it
        Proposals(folder).write(proposal(0, 0, first))
    asked = replace(asked, index=min(first, 1))
    Proposals(folder).write(asked)
    assert Proposals(folder).read()[-1] == asked


def test_proposals_are_read_in_their_order_each_in_its_newest_form(tmp_path):
    written = Proposals(tmp_path)
    for index in (2, 0, 1):
        written.write(proposal(index, 4 * index))
    written.write(proposal(1, 4, told=True))
    copy = tmp_path / "wave-00001 (conflicted copy).json"
    copy.write_bytes((tmp_path / "wave-00001.json").read_bytes())
    assert [(p.index, p.told) for p in written.read()] == [(0, False), (1, True), (2, False)]


@pytest.mark.parametrize(("missing", "told"), [(0, 0), (1, 1)])
def test_a_proposal_that_is_missing_before_another_is_named(tmp_path, missing, told):
    written = Proposals(tmp_path)
    for index in range(3):
        written.write(proposal(index, 4 * index))
    (tmp_path / f"wave-{missing:05d}.json").unlink()
    with pytest.raises(RunFolderError, match=rf"wave-0000{told}\.json .*: it is missing\. "):
        written.read()


def test_numbers_of_numpy_become_plain_ones(tmp_path):
    asked = proposal()
    asked.attrs = [{"a": np.float64(0.1), "b": np.int64(7)}] * 4
    Proposals(tmp_path).write(asked)
    (read,) = Proposals(tmp_path).read()
    assert read.attrs == [{"a": 0.1, "b": 7}] * 4


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-9]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\xff\xfe\x00"),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text("{}"),
        lambda path: path.write_text(json.dumps(json.loads(path.read_text()) | {"more": 1})),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["cut", "empty", "binary", "list", "keys missing", "unknown key", "folder"],
)
def test_a_damaged_proposal_is_named_with_a_way_out(tmp_path, damage):
    written = Proposals(tmp_path)
    written.write(proposal())
    damage(tmp_path / "wave-00000.json")
    with pytest.raises(RunFolderError, match=r"wave-00000.json .* believed: .*--fresh .*--reuse"):
        written.read()


def test_what_a_killed_writer_left_is_no_proposal(tmp_path):
    (tmp_path / ".tmp-abc").write_text("half")
    assert Proposals(tmp_path).read() == []
    assert list(tmp_path.iterdir()) == []


def test_copied_and_reused_trials_are_not_planned():
    plan = proposal(first=10, count=6, reused=[11], copies={13: 2, 15: 10}, first_pack=7).plan((3,))
    planned = np.concatenate([pack.numbers.ravel() for pack in plan.packs])
    assert sorted(planned[planned != NO_TRIAL].tolist()) == [10, 12, 14]
    assert [pack.index for pack in plan.packs] == [7, 8]


def test_a_wave_of_copies_has_no_packs():
    assert proposal(first=2, count=2, reused=[2], copies={3: 0}).plan((1,)).packs == ()


def test_params_as_the_log_stores_them():
    columns = proposal(count=2).columns()
    assert list(columns) == list(AXES)
    assert [str(columns[name].dtype) for name in AXES] == ["int32", "float64", "int32", "float64"]
    assert columns["learning_rate"].tolist() == [1e-6, 2e-6]
