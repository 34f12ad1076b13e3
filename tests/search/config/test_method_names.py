"""The samplers and pruners that have a short name: one list, and the help names what is in it."""

import re

import pytest

from search.config import PRUNERS, SAMPLERS
from search.run import main


@pytest.mark.parametrize(("option", "known"), [("sampler", SAMPLERS), ("pruner", PRUNERS)])
def test_the_help_names_exactly_the_known_methods(capsys, option, known):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    names = re.search(rf"--{option} NAME (.+?) or an import path", text)[1]
    assert names.split(", ") == list(known)


def test_all_but_the_grid_and_no_pruner_are_those_of_optuna():
    assert [name for name, path in {**SAMPLERS, **PRUNERS}.items() if path is None] == [
        "grid",
        "none",
    ]
