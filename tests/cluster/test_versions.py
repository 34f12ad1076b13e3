"""Machines of other versions are refused where the work would be done."""

import pytest

from cluster.errors import ClusterError
from cluster.versions import check_versions, library_versions


def test_the_same_versions_pass():
    check_versions(library_versions(), "10.0.0.1")


def test_what_differs_is_named_with_both_versions_and_the_machine():
    expected = tuple(
        (name, "0.1" if name == "numpy" else version) for name, version in library_versions()
    )
    numpy = dict(library_versions())["numpy"]
    with pytest.raises(ClusterError, match=rf"10\.0\.0\.1 has numpy {numpy}, this .* numpy 0\.1:"):
        check_versions(expected, "10.0.0.1")


def test_what_rounds_the_results_is_compared():
    assert {"Python", "numpy", "numba", "scipy"} == {name for name, _ in library_versions()}
