"""Digests of what the results of a search depend on, the same in every process.

joblib's own digest takes a function or a class for its name, so that one that was edited is the
same to it. Here those of one's own are known by their code, by what they hold and by what of their
module they use; those of an installed package by its version.
"""

import dis
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import suppress
from functools import cache, cached_property
from importlib import metadata
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec, resolve_name
from itertools import accumulate
from pathlib import Path
from types import (
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any

from joblib.hashing import Hasher, NumpyHasher

_OURS = frozenset({"search", "model", "cluster"})
"""The packages of this project, which are of one version."""

_ORDERED = frozenset({bool, int, float, str, bytes})
_PLAIN = _ORDERED | {type(None), complex}

_PARTS: tuple[tuple[type, Callable[[Any], tuple[Any, ...]]], ...] = (
    (weakref.ref, lambda reference: (reference(),)),
    (MethodType, lambda method: (method.__func__, method.__self__)),
    (type(cache(len)), lambda cached: (cached.__wrapped__,)),
    (cached_property, lambda made: (made.func,)),
    (staticmethod, lambda method: (method.__func__,)),
    (classmethod, lambda method: (method.__func__,)),
    (property, lambda made: (made.fget, made.fset, made.fdel)),
    (MappingProxyType, lambda view: (dict(view),)),
    (ModuleType, lambda module: (module.__name__,)),
    (GetSetDescriptorType, lambda slot: (slot.__name__,)),
    (MemberDescriptorType, lambda slot: (slot.__name__,)),
)
"""What some things are made of that cannot be pickled, or are pickled by their name."""

_TELLS_NOTHING: frozenset[type] = frozenset({
    type(threading.Lock()), type(threading.RLock()), weakref.WeakKeyDictionary,
})  # fmt: skip
"""What code may hold without doing anything else for it: locks, and what it has found before."""

_READS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
"""Instructions that may read a name of a module."""

# Of a class, what says nothing of what it does, or is made from the rest.
_SAYS_NOTHING = frozenset((
    "__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__annotations__",
    "__annotate__", "__annotate_func__", "__annotations_cache__", "__firstlineno__",
    "__static_attributes__", "__orig_bases__", "__parameters__", "__dataclass_fields__",
    "__dataclass_params__", "__signature__", "_abc_impl", "__abstractmethods__",
))  # fmt: skip


def digest_of(
    value: object,
    packages: set[str] | None = None,
    apart: Callable[[Any], str] | None = None,
) -> str:
    """Return a digest of a value, with the code of functions and classes of one's own.

    Parameters
    ----------
    value : object
    packages : set of str, optional
        The installed packages, and this one, of which functions or estimators were met are added.
    apart : callable, optional
        Gives the digest of a function or class of one's own, where it is known already.

    Raises
    ------
    Exception
        Of any kind, where something in it cannot be pickled, such as a lock.
    """
    met = _Met(set() if packages is None else packages, apart)
    digester = _Digester(met)
    digester.add(value)
    # One after the other: functions that call each other are no deep nest, nor an endless one.
    while met.waiting:
        digester.add(_parts_of(met.waiting.popleft(), met))
    return digester.result()


def version_of(package: str) -> str:
    """Return the version of an installed package, by the name under which it is imported."""
    said = getattr(sys.modules.get(package), "__version__", None)
    if isinstance(said, str):
        return said
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


class _Met:
    """The functions and classes that were met in a value, each of which counts once."""

    def __init__(self, packages: set[str], apart: Callable[[Any], str] | None = None) -> None:
        self.packages, self._apart = packages, apart
        self.waiting: deque[Any] = deque()
        # With the objects themselves, so that no other has the address of one.
        self._numbers: dict[int, tuple[int, Any]] = {}

    def number(self, of: Any) -> int | str:
        """Return the number of a function or class, whose parts are added later, or its digest."""
        if self._apart is not None:
            return self._apart(of)
        if id(of) not in self._numbers:
            self._numbers[id(of)] = len(self._numbers), of
            self.waiting.append(of)
        return self._numbers[id(of)][0]

    def digest(self, value: Any, leaves_out: Set[type] = frozenset()) -> str:
        """Return a digest of a value that is written down apart from others."""
        digester = _Digester(self, leaves_out)
        digester.add(value)
        return digester.result()

    def bound(self, value: Any) -> str:
        """Return a digest of what a function was made with, without the locks in it."""
        return self.digest(value, _TELLS_NOTHING)

    def held(self, value: Any) -> str:
        """Return a digest of what code refers to; of what cannot be pickled, its type alone."""
        try:
            return self.bound(value)
        except Exception:  # such as a file of a module, which is no part of what a function does
            return f"a {type(value).__qualname__}"

    def ordered(self, values: Iterable[Any]) -> list[Any]:
        """Return values in the same order in every process, before any of them gets a number."""
        found = list(values)
        kinds = set(map(type, found))
        if len(kinds) == 1 and kinds <= _ORDERED:
            return sorted(found)
        if all(map(_is_constant, found)):
            return sorted(found, key=_constant)
        looks = _Looks(set())
        return sorted(found, key=looks.held)


class _Looks(_Met):
    """Knows functions and classes by their own code alone, so that none has to be the first."""

    def number(self, of: Any) -> str:
        """Return what stands in a function or class itself."""
        if isinstance(of, type):
            parts: dict[Any, Any] = {
                name: part for name, part in vars(of).items() if name not in _SAYS_NOTHING
            }
        else:
            cells = map(_content, of.__closure__ or ())
            parts = dict(enumerate((of.__code__, *(of.__defaults__ or ()), *cells)))
        return str([(name, _look(parts[name])) for name in sorted(parts)])


def _look(part: Any) -> str:
    part = part.__code__ if isinstance(part, FunctionType) else part
    return _constant(part) if type(part) in {CodeType, *_PLAIN} else type(part).__qualname__


class _Digester(NumpyHasher):  # type: ignore[misc]
    """joblib's digest, in which what it knows by name or by order is known by what it is."""

    def __init__(self, met: _Met, leaves_out: Set[type] = frozenset()) -> None:
        super().__init__("md5")
        self._met, self._leaves_out = met, leaves_out

    def add(self, value: object) -> None:
        """Add a value; which objects of one before are the very same does not count."""
        self.clear_memo()
        self.dump(value)

    def result(self) -> str:
        """Return the digest of all that was added."""
        self._hash.update(self.stream.getvalue())
        return str(self._hash.hexdigest())

    def save(self, obj: Any) -> None:
        """Write an object down."""
        super().save(obj if type(obj) in _PLAIN else self._stands_for(obj))

    def _stands_for(self, obj: Any) -> Any:
        """Return what is written in place of an object."""
        if isinstance(obj, FunctionType | type):
            return self._named(obj)
        if type(obj) in self._leaves_out:
            return f"a {type(obj).__qualname__}"
        if isinstance(obj, set | frozenset):
            ordered = self._met.ordered(obj)
            if not set(map(type, ordered)) <= _PLAIN:
                # Each apart: which objects within two of them are the very same does not count.
                ordered = [self._met.digest(value, self._leaves_out) for value in ordered]
            return type(obj).__name__, ordered
        for kind, parts in _PARTS:
            if isinstance(obj, kind):
                return type(obj).__name__, *parts(obj)
        if type(obj).__module__.startswith("numba.") and hasattr(obj, "py_func"):
            # A function that numba compiles, which has another mark in each process.
            return "compiled", obj.py_func
        if hasattr(obj, "get_params"):
            self._note(type(obj).__module__)
        return obj

    def _named(self, obj: Any) -> Any:
        """Return the name of a function or a class, and the number of one that has code to add."""
        kind = "class" if isinstance(obj, type) else "function"
        name = kind, str(obj.__module__), obj.__qualname__
        if _is_own(name[1]) or not _is_found(obj):
            return *name, self._met.number(obj)
        if kind == "function" or hasattr(obj, "get_params"):
            self._note(name[1])
        return name

    def _note(self, module: str) -> None:
        top = module.partition(".")[0]
        if not _is_own(module) and top not in sys.stdlib_module_names:
            self._met.packages.add("packsweep" if top in _OURS else top)

    def _batch_setitems(self, items: Any, *rest: Any) -> None:
        """Write a dict down in an order that is the same in every process."""
        found = dict(items)
        ordered = [(key, found[key]) for key in self._met.ordered(found)]
        super(Hasher, self)._batch_setitems(iter(ordered), *rest)


def _parts_of(obj: Any, met: _Met) -> tuple[Any, ...]:
    return _parts_of_class(obj, met) if isinstance(obj, type) else _parts_of_function(obj, met)


def _parts_of_class(kind: type, met: _Met) -> tuple[Any, ...]:
    names = sorted(set(vars(kind)) - _SAYS_NOTHING)
    return type(kind), list(kind.__bases__), {name: met.held(vars(kind)[name]) for name in names}


def _parts_of_function(function: FunctionType, met: _Met) -> tuple[Any, ...]:
    # What a library's module holds is of its version.
    is_own = _is_own(str(function.__globals__.get("__name__")))
    used = _used(function) if is_own else {}
    return (
        _code(function.__code__),
        list(map(met.bound, function.__defaults__ or ())),
        {name: met.bound(value) for name, value in (function.__kwdefaults__ or {}).items()},
        [met.bound(_content(cell)) for cell in function.__closure__ or ()],
        {name: met.held(value) for name, value in vars(function).items()},
        {name: met.held(value) for name, value in used.items()},
    )


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # of a name that has no value yet
        return "empty"


def _code(code: CodeType) -> str:
    """Return all of a code object but where it stands and what it was compiled for."""
    return repr((
        code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars,
        code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags,
        getattr(code, "co_exceptiontable", b""), [_constant(value) for value in code.co_consts],
    ))  # fmt: skip


def _is_constant(value: Any) -> bool:
    if type(value) in (tuple, frozenset):
        return all(map(_is_constant, value))
    return type(value) in _PLAIN


def _constant(value: Any) -> str:
    if isinstance(value, CodeType):
        return _code(value)
    if isinstance(value, tuple):
        return f"tuple {list(map(_constant, value))}"
    if isinstance(value, frozenset):  # whose order is another one in each process
        return f"frozenset {sorted(map(_constant, value))}"
    return f"{type(value).__name__} {value!r}"


def _used(function: FunctionType) -> dict[str, Any]:
    """Return what of its module a function uses, by name; of other modules of one's own as well.

    A name that it gives another value itself, such as what is made at the first call, says nothing
    of it. What it changes in place counts as it is now.
    """
    codes = list(_codes(function.__code__))
    done = [(i.opname, i.argval) for code in codes for i in dis.get_instructions(code)]
    put = {name for what, name in done if what in ("STORE_GLOBAL", "DELETE_GLOBAL")}
    read = {name for what, name in done if what in _READS} - put
    found: dict[str, Any] = {}
    modules = []
    for name in sorted(read & set(function.__globals__)):
        value = function.__globals__[name]
        if isinstance(value, ModuleType):
            modules.append(value)
        else:
            found[name] = value
    files, imported = _imported(codes, str(function.__globals__.get("__package__") or ""))
    found |= {f"the file of {name}": content for name, (content, _) in files.items()}
    modules += imported
    codes += [code for _, within in files.values() for code in within]
    attributes = {name for code in codes for name in code.co_names}
    seen = set()
    while modules:
        module = modules.pop()
        if module.__name__ in seen or not _is_own(module.__name__):
            continue
        seen.add(module.__name__)
        for name in sorted(attributes & set(vars(module))):
            value = vars(module)[name]
            if isinstance(value, ModuleType):
                modules.append(value)
            else:
                found[f"{module.__name__}.{name}"] = value
    return found


def _imported(
    codes: Iterable[CodeType], package: str
) -> tuple[dict[str, tuple[bytes, list[CodeType]]], list[ModuleType]]:
    """Return what code imports when it runs: files not imported yet, and modules that are.

    Nothing is imported for it. A file counts whole, and so does what it would import.
    """
    waiting = sorted(_names_imported(codes, package))
    files: dict[str, tuple[bytes, list[CodeType]]] = {}
    modules: dict[str, ModuleType] = {}
    while waiting:
        name = waiting.pop()
        if name in files or name in modules or _is_of_others(name):
            continue
        if name in sys.modules:
            modules[name] = sys.modules[name]
        elif (spec := _spec_of(name)) is not None and spec.has_location:
            file = Path(str(spec.origin))
            content = file.read_bytes()
            within: list[CodeType] = []
            with suppress(SyntaxError, ValueError):  # of one that is compiled, or broken
                within += _codes(compile(content, file, "exec", dont_inherit=True))
            files[name] = content, within
            above = name if spec.submodule_search_locations else name.rpartition(".")[0]
            waiting += sorted(_names_imported(within, above))
    return files, list(modules.values())


def _names_imported(codes: Iterable[CodeType], package: str) -> set[str]:
    """Return the full names of all that may be a module of what code imports."""
    found: set[str] = set()
    for code in codes:
        steps = [i for i in dis.get_instructions(code) if i.opname != "EXTENDED_ARG"]
        for level, names, step in zip(steps, steps[1:], steps[2:], strict=False):
            if step.opname == "IMPORT_NAME" and (package or not level.argval):
                with suppress(ImportError):  # of too many dots
                    name = resolve_name("." * level.argval + step.argval, package)
                    found.update(f"{name}.{inner}" for inner in names.argval or ())
                    found.update(accumulate(name.split("."), "{}.{}".format))
    return found


def _spec_of(name: str) -> ModuleSpec | None:
    """Return where a module is that was not imported, in files of one's own; imports nothing."""
    above, _, _ = name.rpartition(".")
    spec = None
    with suppress(ImportError, ValueError, KeyError):  # the last within folders without a file
        if not above:
            spec = find_spec(name)
        elif above in sys.modules:
            spec = PathFinder.find_spec(name, getattr(sys.modules[above], "__path__", []))
        elif (package := _spec_of(above)) is not None:
            spec = PathFinder.find_spec(name, package.submodule_search_locations or [])
    return None if spec is None or _is_installed(spec.origin) else spec


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and those of the functions within it."""
    yield code
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield from _codes(value)


def _is_found(obj: Any) -> bool:
    """Whether a function or class is what its module has under its name."""
    found: Any = sys.modules.get(str(obj.__module__))
    for part in obj.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is obj


def _is_of_others(module: str) -> bool:
    top = module.partition(".")[0]
    return top in _OURS or top in sys.stdlib_module_names


def _is_installed(file: str | None) -> bool:
    return file is not None and bool({"site-packages", "dist-packages"} & set(Path(file).parts))


@cache
def _is_own(module: str) -> bool:
    """Whether a module is its user's: of no installed package, where a version says what it is."""
    if _is_of_others(module):
        return False
    loaded = sys.modules.get(module) or sys.modules.get(module.partition(".")[0])
    return not _is_installed(getattr(loaded, "__file__", None))
