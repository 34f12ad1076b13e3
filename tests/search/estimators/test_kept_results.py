"""A folder goes on with the same search alone: whatever its results depend on is known again."""

import functools
import json
import subprocess
import sys
import threading
from contextlib import suppress

import numpy as np
import pytest
from scipy import stats
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from search.estimators import PackSweepSearchCV, digests, kept_results
from search.estimators.digests import digest_of
from search.estimators.kept_results import identity_of
from search.estimators.shared_fits import Unit, Work

X, Y = load_iris(return_X_y=True)
TREE = DecisionTreeClassifier(random_state=0)
DEPTHS = {"max_depth": [1, 2]}

pytestmark = pytest.mark.filterwarnings("ignore::search.estimators.evaluation.SharesNothingWarning")


def search(folder, model=TREE, space=DEPTHS, **given):
    return PackSweepSearchCV(model, space, folder=folder, **{"cv": 2, **given})


def defined(source, name="mine"):
    """Return what a module of somebody's own has under a name, as it was or as it was edited."""
    module = {"__name__": "somebody"}
    exec(source, module)
    return module[name]


def edited(before, after, source):
    return defined(source.replace("VALUE", before)), defined(source.replace("VALUE", after))


PLAIN = "def mine(model, X, y): return VALUE * model.score(X, y)"
BESIDE = """
SCALE = VALUE
def helper(value): return SCALE * value
def mine(model, X, y): return helper(model.score(X, y))
"""
DEFAULT = "def mine(model, X, y, scale=VALUE): return scale * model.score(X, y)"
NAMED_ONLY = "def mine(model, X, y, *, scale=VALUE): return scale * model.score(X, y)"
CLOSURE = """
def made(scale):
    def mine(model, X, y): return scale * model.score(X, y)
    return mine
mine = made(VALUE)
"""
NESTED = """
def mine(model, X, y):
    def inner(value): return VALUE * value
    return inner(model.score(X, y))
"""
RECURSIVE = """
def mine(model, X, y, times=2):
    return mine(model, X, y, times - 1) if times else VALUE * model.score(X, y)
"""
OBJECT = """
class Scorer:
    def __call__(self, model, X, y): return VALUE * model.score(X, y)
mine = Scorer()
"""
INHERITED = """
class Base:
    def scaled(self, value): return VALUE * value
class Scorer(Base):
    def __call__(self, model, X, y): return self.scaled(model.score(X, y))
mine = Scorer()
"""
METHOD = """
class Scorer:
    scale = VALUE
    def score(self, model, X, y): return self.scale * model.score(X, y)
mine = Scorer().score
"""
PROPERTIES = """
import functools
class Scorer:
    @functools.cached_property
    def scale(self): return VALUE
    @property
    def same(self): return self.scale
    def __call__(self, model, X, y): return self.same * model.score(X, y)
mine = Scorer()
"""
CACHED = """
import functools
@functools.cache
def scale(): return VALUE
def mine(model, X, y): return scale() * model.score(X, y)
"""
HANDLED = """
def mine(model, X, y):
    try:
        return VALUE * model.score(X, y)
    except ValueError:
        return 0.0
"""
LARGE, OTHER = np.arange(5000), np.arange(5000)
OTHER[2500] = 7


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"m": "accuracy"}, {"m": "neg_log_loss"}),
        (make_scorer(accuracy_score), make_scorer(accuracy_score, greater_is_better=False)),
        (
            make_scorer(accuracy_score, sample_weight=LARGE),
            make_scorer(accuracy_score, sample_weight=OTHER),
        ),
        ({"m": make_scorer(lambda y, p: 1.0)}, {"m": make_scorer(lambda y, p: 2.0)}),
        (lambda model, X, y: 1.0, lambda model, X, y: 2.0),
        tuple(functools.partial(f, scale=2) for f in edited("1", "2", DEFAULT.replace(
            "scale *", "VALUE * scale *"))),
        *(
            edited("1", "2", source)
            for source in (
                PLAIN, BESIDE, DEFAULT, NAMED_ONLY, CLOSURE, NESTED, RECURSIVE, OBJECT, INHERITED,
                METHOD, PROPERTIES, CACHED, HANDLED,
            )
        ),
        edited("{'a', 'b'}.__len__()", "{'a', 'c'}.__len__()", PLAIN),
        edited("('a' in {'a', 'b'})", "('a' in {'a', 'c'})", PLAIN),
        edited("(lambda: 1)()", "(lambda: 2)()", PLAIN),
    ],
)  # fmt: skip
def test_another_scoring_is_another_search(tmp_path, one, other):
    refit = "m" if isinstance(one, dict) else False
    identities = [
        identity_of(work(scoring=scoring, refit=refit), DEPTHS, []) for scoring in (one, other)
    ]
    differ = {name for name in identities[0] if identities[0][name] != identities[1][name]}
    assert differ == {"scoring"}
    assert identity_of(work(scoring=one, refit=refit), DEPTHS, []) == identities[0]


def work(model=TREE, **given):
    scorer, _ = PackSweepSearchCV(model, DEPTHS, **given)._get_scorers()
    how = {
        "scorer": scorer, "fit_params": {}, "score_params": {}, "return_train_score": False,
        "error_score": np.nan,
    }  # fmt: skip
    return Work(model, None, X, Y, how)


def test_a_folder_of_another_scoring_is_refused_and_the_first_one_goes_on(tmp_path):
    first = search(tmp_path, scoring={"m": "accuracy"}, refit="m").fit(X, Y)
    with pytest.raises(ValueError, match=r"another search: its scoring differs\. Give another"):
        search(tmp_path, scoring={"m": "neg_log_loss"}, refit="m").fit(X, Y)
    again = search(tmp_path, scoring={"m": "accuracy"}, refit="m").fit(X, Y)
    theirs = GridSearchCV(TREE, DEPTHS, scoring={"m": "accuracy"}, refit="m", cv=2).fit(X, Y)
    assert first.best_score_ == again.best_score_ == theirs.best_score_


ESTIMATOR = """
from sklearn.base import BaseEstimator, ClassifierMixin
class Mine(ClassifierMixin, BaseEstimator):
    def __init__(self, max_depth=1): self.max_depth = max_depth
    def fit(self, X, y):
        self.classes_ = sorted(set(y))
        return self
    def predict(self, X): return [self.classes_[VALUE]] * len(X)
mine = Mine()
"""


@pytest.mark.parametrize(
    "models",
    [
        [make_pipeline(FunctionTransformer(lambda Z: Z[:, :1]), TREE),
         make_pipeline(FunctionTransformer(lambda Z: Z[:, 2:]), TREE)],
        [make_pipeline(FunctionTransformer(lambda Z: Z, kw_args={"a": LARGE}), TREE),
         make_pipeline(FunctionTransformer(lambda Z: Z, kw_args={"a": OTHER}), TREE)],
        edited("0", "1", ESTIMATOR),
        [make_pipeline(model) for model in edited("0", "1", ESTIMATOR)],
    ],
)  # fmt: skip
def test_another_function_in_an_estimator_or_a_space_is_another_search(models):
    one, other = (identity_of(work(model, scoring="accuracy"), DEPTHS, []) for model in models)
    assert {name for name in one if one[name] != other[name]} == {"estimator"}
    one, other = (identity_of(work(), {"model": [model]}, []) for model in models)
    assert {name for name in one if one[name] != other[name]} == {"space"}


def test_functions_in_a_space_tell_candidates_apart(tmp_path):
    model = make_pipeline(FunctionTransformer(), GaussianNB())
    space = {"functiontransformer__func": [lambda Z: Z[:, :1], lambda Z: Z[:, 2:]]}
    theirs = GridSearchCV(model, space, cv=2).fit(X, Y).cv_results_["mean_test_score"]
    for _ in range(2):
        found = search(tmp_path, model, space).fit(X, Y)
        assert list(found.cv_results_["mean_test_score"]) == list(theirs)
    assert theirs[0] != theirs[1]


@pytest.mark.parametrize(
    "distributions",
    [
        (stats.randint(1, 3), stats.randint(1, 4)),
        (stats.uniform, stats.expon),
        tuple(stats.rv_histogram(np.histogram(rows, 3))() for rows in (X[:, 0], X[:, 1])),
    ],
)
def test_other_distributions_are_another_space(tmp_path, distributions):
    one, other = distributions
    given = {"strategy": "random", "n_trials": 2, "random_state": 0, "refit": False}
    search(tmp_path, space={"ccp_alpha": one}, **given).fit(X, Y)
    one.rvs(random_state=None)  # which draws from numpy's own generator
    search(tmp_path, space={"ccp_alpha": one}, **given).fit(X, Y)
    with pytest.raises(ValueError, match="its space differs"):
        search(tmp_path, space={"ccp_alpha": other}, **given).fit(X, Y)


def test_what_cannot_be_told_from_others_is_refused_before_anything_is_trained(tmp_path):
    model = make_pipeline(FunctionTransformer(kw_args={"lock": threading.Lock()}), TREE)
    space = {"decisiontreeclassifier__max_depth": [1]}
    with pytest.raises(ValueError, match=r"the estimator of this .*'_thread\.lock'.*leave folder"):
        search(tmp_path / "kept", model, space).fit(X, Y)
    assert not (tmp_path / "kept").exists()
    counts = []

    def counting(model, X, y):
        counts.append(1)
        return model.score(X, y)

    # But what a function uses of its module may be anything.
    digest_of(defined("import threading\nLOCK = threading.Lock()\ndef mine(): return LOCK"))
    search(tmp_path / "kept", scoring=defined(
        "made = None\ndef mine(model, X, y):\n"
        "    global made\n    made = made or model\n    return 1.0\n"
    )).fit(X, Y)  # fmt: skip


GUARDED = """
import functools
import threading
import weakref
class Held:
    scale = VALUE
def guarded(function):
    lock, state = threading.Lock(), {"lock": threading.RLock(), "scale": VALUE, "held": Held()}
    seen = weakref.ref(state["held"])
    @functools.wraps(function)
    def locked(*given, guard=threading.Lock()):
        with lock:
            return state["scale"] * seen().scale * function(*given)
    return locked
@guarded
def mine(model, X, y): return model.score(X, y)
"""
DISPATCHED = """
import functools
@functools.singledispatch
def mine(model, X, y): return VALUE * model.score(X, y)
@mine.register(int)
@mine.register(str)
def other(model, X, y): return VALUE
"""


@pytest.mark.parametrize("source", [GUARDED, DISPATCHED], ids=["guarded", "dispatched"])
def test_locks_and_weak_references_that_a_function_was_made_with_are_no_part_of_it(source):
    one, other = edited("1", "2", source)
    before = digest_of(one)
    assert digest_of(edited("1", "2", source)[0]) == before
    assert digest_of(other) != before
    one(TREE.fit(X, Y), X, Y)
    assert digest_of(one) == before


def test_what_a_function_was_made_with_is_refused_where_it_may_say_what_it_does(tmp_path):
    source = "def made(rows):\n    def mine(model, X, y): return next(rows)\n    return mine\n"
    reader = defined(source, "made")(row for row in [1.0])
    with pytest.raises(ValueError, match="the scoring of this search cannot be identified"):
        search(tmp_path, scoring=reader).fit(X, Y)


MEMBERS = {
    "functions": "def made(n): return lambda: n",
    "defaults": "def made(n): return lambda n=n: n",
    "classes": "def made(n): return type('Made', (), {'n': n})",
    "methods": "def made(n): return type('Made', (), {'a': eval(f'lambda self: {n}')})",
    "within": "def made(n): return (lambda: n, frozenset({lambda: -n, n}))",
}


@pytest.mark.parametrize("source", MEMBERS.values(), ids=MEMBERS)
def test_a_set_of_functions_is_the_same_in_whatever_order_they_lie_in_memory(source):
    rng, made = np.random.default_rng(0), defined(source, "made")
    alive, said = [], set()
    for _ in range(8):
        members = {int(n): made(int(n)) for n in rng.permutation(8)}
        alive.append(members)
        say = dict.fromkeys(members.values(), "one of them")
        said.add((digest_of(set(members.values())), digest_of(say)))
    assert len(said) == 1
    assert digest_of({made(n) for n in range(7)} | {made(9)}) != next(iter(said))[0]


LATE = {
    "from": "def mine():\n    from NAME import inner\n    return inner()",
    "module": "def mine():\n    import NAME\n    return NAME.inner()",
    "within": "def mine():\n    def f():\n        from NAME import inner\n        return inner()\n"
    "    return f()",
    "submodule": "def mine():\n    import NAME.deep.low as low\n    return low.inner()",
    "from package": "def mine():\n    from NAME.deep import low\n    return low.inner()",
    "package": "def mine():\n    import NAME.deep.low\n    return NAME.deep.low.inner()",
}


@pytest.mark.parametrize("is_imported", [False, True])
@pytest.mark.parametrize("how", LATE)
def test_what_a_function_imports_when_it_runs_is_a_part_of_it(
    tmp_path, monkeypatch, how, is_imported
):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    name = "somebodys_helpers"
    package, mine = tmp_path / name, defined(LATE[how].replace("NAME", name))
    (package / "deep").mkdir(parents=True)
    inner = "def inner():\n    from {}beyond import core\n    return core()\n"
    (package / "__init__.py").write_text(inner.format("."))
    (package / "deep" / "__init__.py").touch()
    (package / "deep" / "low.py").write_text(inner.format(".."))

    def modules():
        return [module for module in sys.modules if module.partition(".")[0] == name]

    def found(value):
        (package / "beyond.py").write_text(f"def core(): return {value}")
        if is_imported:
            assert mine() == value
        before = modules()
        digest = digest_of(mine)
        assert modules() == before  # nothing is imported to look at it
        for module in before:
            del sys.modules[module]
        return digest

    first, other = found(1), found(2)
    assert first != other
    assert found(1) == first


def test_what_a_function_imports_of_others_when_it_runs_is_of_their_version(tmp_path):
    digest_of(
        defined("def mine():\n    import nowhere, xml.dom, joblib.nothing\n    from . import x")
    )


CHANGED = {
    "count": "calls = {'n': 0}\ndef mine(model, X, y):\n    calls['n'] += 1\n    return 1.0",
    "cache": "seen = []\ndef mine(model, X, y):\n    seen.append(len(y))\n    return 1.0",
    "draws": "import numpy as np\nrng = np.random.default_rng(0)\n"
    "def mine(model, X, y): return rng.random()",
    "class": "class Scorer:\n    n = 0\n    def __call__(self, model, X, y):\n"
    "        type(self).n += 1\n        return 1.0\nmine = Scorer()",
    "nonlocal": "def made():\n    n = 0\n    def mine(model, X, y):\n        nonlocal n\n"
    "        n += 1\n        return 1.0\n    return mine\nmine = made()",
    "stopped": "calls = []\ndef mine(model, X, y):\n    calls.append(1)\n"
    "    if len(calls) == 3: raise KeyboardInterrupt\n    return 1.0",
}


@pytest.mark.parametrize("how", CHANGED)
def test_what_a_search_itself_changes_is_no_other_search(tmp_path, how):
    scorer = defined(CHANGED[how])
    before = digest_of(scorer)
    with suppress(KeyboardInterrupt):
        search(tmp_path, scoring=scorer).fit(X, Y)
    assert digest_of(scorer) != before
    found = [search(tmp_path, scoring=scorer).fit(X, Y).cv_results_ for _ in range(2)]
    for name in ("mean_fit_time", "mean_test_score"):
        assert list(found[0][name]) == list(found[1][name])
    kept_results._BEGAN.clear()  # as in another process, where it is as it was at first
    again = search(tmp_path, scoring=defined(CHANGED[how])).fit(X, Y)
    assert list(again.cv_results_["mean_fit_time"]) == list(found[0]["mean_fit_time"])


def test_a_module_that_a_search_imports_makes_it_no_other_one(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "somebodys_late_one.py").write_text("def one(): return 1.0")
    source = "def mine(*_):\n    import somebodys_late_one as late\n    return late.one()"
    for _ in range(2):
        search(tmp_path / "kept", scoring=defined(source)).fit(X, Y)
        assert "somebodys_late_one" in sys.modules
    kept_results._BEGAN.clear()
    del sys.modules["somebodys_late_one"]
    search(tmp_path / "kept", scoring=defined(source)).fit(X, Y)
    assert "somebodys_late_one" not in sys.modules  # all was kept


def test_what_others_change_is_another_search(tmp_path):
    scorer = defined(CHANGED["count"] + " * calls.get('scale', 1)")
    search(tmp_path, scoring=scorer).fit(X, Y)
    search(tmp_path, scoring=scorer).fit(X, Y)
    scorer.__globals__["calls"]["scale"] = 2
    with pytest.raises(ValueError, match=r"its scoring differs.*a cache that a call outside of"):
        search(tmp_path, scoring=scorer).fit(X, Y)


def test_a_class_that_counts_its_fits_is_no_other_one(tmp_path):
    source = ESTIMATOR.replace("VALUE", "0")
    source = source.replace("def fit", "n = 0\n    def fit").replace(
        "self.classes_ =", "type(self).n += 1\n        self.classes_ ="
    )
    model = defined(source)
    for fits in (5, 6):  # of which one is the refit
        search(tmp_path, model).fit(X, Y)
        assert type(model).n == fits


def test_functions_in_a_space_that_change_what_they_hold_are_found_again(tmp_path):
    counts = defined("calls = []\ndef mine(Z):\n    calls.append(len(Z))\n    return Z")
    model = make_pipeline(FunctionTransformer(), GaussianNB())
    space = {"functiontransformer__func": [counts]}
    times = [
        list(search(tmp_path, model, space).fit(X, Y).cv_results_["mean_fit_time"])
        for _ in range(3)
    ]
    assert times[0] == times[1] == times[2]


def test_what_one_function_has_become_is_not_another_one(tmp_path):
    source = "def made(n):\n    def mine(Z):\n        nonlocal n\n        n += 1\n"
    made = defined(source + "        return Z[:, : n % 5 + 1]\n    return mine", "made")
    one, other = made(0), made(2)
    kept = kept_results.KeptResults(tmp_path, {})
    unit = Unit(0, (0,))
    before = kept._path(unit, [{"f": one}], "json")
    one(X), one(X)
    assert kept._path(unit, [{"f": one}], "json") == before
    kept.note_changed(dict)
    kept = kept_results.KeptResults(tmp_path, {})
    assert kept._path(unit, [{"f": one}], "json") == before
    kept = kept_results.KeptResults(tmp_path, {})
    assert kept._path(unit, [{"f": other}], "json") != before


def test_a_function_of_many_candidates_is_digested_once(tmp_path, monkeypatch):
    really, digested = digests._parts_of_function, []
    monkeypatch.setattr(
        digests, "_parts_of_function",
        lambda function, met: digested.append(function) or really(function, met),
    )  # fmt: skip
    model = make_pipeline(FunctionTransformer(), TREE)
    space = {"functiontransformer__func": [defined("def mine(Z): return Z")]}
    space["decisiontreeclassifier__max_depth"] = list(range(1, 9))
    search(tmp_path, model, space).fit(X, Y)
    assert len(digested) <= 4  # of the space and of the candidates, at the beginning and at the end


def test_plain_elements_of_a_set_have_one_digest_together(monkeypatch):
    made = []
    really = digests._Digester.__init__
    monkeypatch.setattr(
        digests._Digester, "__init__",
        lambda self, *given: made.append(1) or really(self, *given),
    )  # fmt: skip
    one, other = set(range(1000)) | {"a", None}, set(range(1, 1001)) | {"a", None}
    assert digest_of(one) != digest_of(other)
    assert len(made) == 2
    assert digest_of({1}) != digest_of({1.0}) != digest_of({True})


def test_what_a_function_sets_itself_is_no_part_of_it():
    lazy = defined(
        "made = None\ndef mine():\n    global made\n    made = made or object()\n    return made\n"
    )
    before = digest_of(lazy)
    lazy()
    assert digest_of(lazy) == before


class Own(ClassifierMixin, BaseEstimator):
    """Of the tests' own module, which is of no installed package."""


EVERYWHERE = """
import functools
import sys
from scipy import stats
from search.estimators.digests import digest_of
from search.estimators.strategies import known_space

WORDS = {"a", "b", "c", "d"}

class Held:
    __slots__ = ("x",)
    words = frozenset({"e", "f", "g"})
    @staticmethod
    def one(y): return y in {"a", "b", "c"}
    @classmethod
    def two(cls): return cls.words
    @property
    def three(self): return WORDS

@functools.lru_cache
def cached(): return Held

def mine(model, *, words={"x", "y", "z"}): return cached(), words, sys.path
mixed = {None: 1, "a": 2, 3: {"p", "q", "r"}, (4,): {5, "s"}}
print(digest_of([mine, mixed, Held(), Held.two, {1.5, None, "t", ("u",)}]))
print(digest_of([{mine, Held, "a", None, 1}, {mine: 1, Held: 2, 3: 4, lambda: 1: 5}]))
print(digest_of(known_space({"a": stats.uniform, "b": stats.expon(scale=2)})))
"""


def test_a_digest_is_the_same_in_every_process():
    said = {
        subprocess.run(
            [sys.executable, "-c", EVERYWHERE], capture_output=True, check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(said) == 1


def test_a_class_of_an_installed_package_is_known_by_its_version():
    packages = set()
    digest_of([TREE, Own(), accuracy_score, np.mean], packages)
    assert packages >= {"sklearn"}
    assert "search" not in packages
    from lightgbm import LGBMClassifier

    from search.estimators import EpochTrained

    found = identity_of(work(make_pipeline(EpochTrained(GaussianNB()))), DEPTHS, [])
    versions = {name for name in found if name.startswith("version of")}
    assert versions == {"version of packsweep", "version of scikit-learn"}
    found = identity_of(work(make_pipeline(LGBMClassifier())), DEPTHS, [])
    assert found["version of lightgbm"] == sys.modules["lightgbm"].__version__


def test_another_version_is_another_search(tmp_path, monkeypatch):
    from search.estimators import kept_results

    search(tmp_path).fit(X, Y)
    monkeypatch.setattr(kept_results, "version_of", lambda package: "0")
    with pytest.raises(ValueError, match="its version of packsweep and its version of scikit"):
        search(tmp_path).fit(X, Y)


def test_a_folder_of_an_earlier_version_is_refused_in_one_message(tmp_path):
    search(tmp_path).fit(X, Y)
    about = json.loads((tmp_path / "search.json").read_text())
    earlier = {name: value for name, value in about.items() if not name.startswith("version of")}
    (tmp_path / "search.json").write_text(json.dumps(earlier | {"scikit-learn": "1.5"}))
    with pytest.raises(ValueError, match="by an earlier version of packsweep, which did not write"):
        search(tmp_path).fit(X, Y)


def test_another_configuration_of_scikit_learn_is_another_search(tmp_path):
    search(tmp_path).fit(X, Y)
    with (
        config_context(transform_output="pandas"),
        pytest.raises(ValueError, match="its configuration of scikit-learn differs"),
    ):
        search(tmp_path).fit(X, Y)


# --- Fits that fail


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_another_error_score_is_another_search(tmp_path):
    space = {"min_samples_leaf": [1, -5]}
    found = search(tmp_path, space=space).fit(X, Y)
    assert np.isnan(found.cv_results_["mean_test_score"]).tolist() == [False, True]
    for error_score in (0.0, "raise"):
        with pytest.raises(ValueError, match="its error_score differs"):
            search(tmp_path, space=space, error_score=error_score).fit(X, Y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores")
@pytest.mark.parametrize("executor", [None, "serial"])
def test_a_fit_that_has_failed_is_tried_again_and_the_others_are_kept(
    tmp_path, monkeypatch, executor
):
    really, fits = DecisionTreeClassifier.fit, []

    def fails(self, *args, **given):
        fits.append(self.max_depth)
        if self.max_depth == 2:
            raise MemoryError("at this time of the day")
        return really(self, *args, **given)

    monkeypatch.setattr(DecisionTreeClassifier, "fit", fails)
    first = search(tmp_path, refit=False, executor=executor).fit(X, Y)
    assert np.isnan(first.cv_results_["mean_test_score"]).tolist() == [False, True]
    assert fits == [1, 2, 1, 2]
    monkeypatch.undo()
    monkeypatch.setattr(
        DecisionTreeClassifier, "fit",
        lambda self, *args, **given: fits.append(self.max_depth) or really(self, *args, **given),
    )  # fmt: skip
    second = search(tmp_path, refit=False, executor=executor).fit(X, Y)
    assert fits == [1, 2, 1, 2, 2, 2]
    theirs = GridSearchCV(TREE, DEPTHS, cv=2).fit(X, Y)
    for name in ("split0_test_score", "split1_test_score", "rank_test_score"):
        np.testing.assert_array_equal(second.cv_results_[name], theirs.cv_results_[name])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_of_a_shared_training_what_has_not_failed_is_kept(tmp_path):
    model, space = RandomForestClassifier(random_state=0), {"n_estimators": [3, 0, 5]}
    given = {"resource": "n_estimators", "refit": False}
    first = search(tmp_path, model, space, **given).fit(X, Y)
    second = search(tmp_path, model, space, **given).fit(X, Y)
    times = [list(found.cv_results_["mean_fit_time"]) for found in (first, second)]
    assert times[0][0] == times[1][0]
    assert times[0][2] == times[1][2]
    theirs = GridSearchCV(model, space, cv=2, refit=False).fit(X, Y)
    np.testing.assert_array_equal(
        second.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"]
    )
