"""Digests of what the results of a search depend on, the same in every process.

joblib's own digest takes a function or a class for its name, so that one that was edited is the
same to it. Here those of one's own are known by their code, by what they hold and by what of their
module they use; those of an installed package by its version.
"""

import dis
import sys
from collections import deque
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from importlib import metadata
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

_PLAIN = (type(None), bool, int, float, complex, str, bytes)

_PARTS: tuple[tuple[type, Callable[[Any], tuple[Any, ...]]], ...] = (
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

_READS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
"""Instructions that may read a name of a module."""

# Of a class, what says nothing of what it does, or is made from the rest.
_SAYS_NOTHING = frozenset((
    "__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__annotations__",
    "__annotate__", "__annotate_func__", "__annotations_cache__", "__firstlineno__",
    "__static_attributes__", "__orig_bases__", "__parameters__", "__dataclass_fields__",
    "__dataclass_params__", "__signature__", "_abc_impl", "__abstractmethods__",
))  # fmt: skip


def digest_of(value: object, packages: set[str] | None = None) -> str:
    """Return a digest of a value, with the code of functions and classes of one's own.

    Parameters
    ----------
    value : object
    packages : set of str, optional
        The installed packages, and this one, of which functions or estimators were met are added.

    Raises
    ------
    Exception
        Of any kind, where something in it cannot be pickled, such as a lock.
    """
    met = _Met(set() if packages is None else packages)
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

    def __init__(self, packages: set[str]) -> None:
        self.packages = packages
        self.waiting: deque[Any] = deque()
        # With the objects themselves, so that no other has the address of one.
        self._numbers: dict[int, tuple[int, Any]] = {}

    def number(self, of: Any) -> int:
        """Return the number of a function or class, whose parts are added later."""
        if id(of) not in self._numbers:
            self._numbers[id(of)] = len(self._numbers), of
            self.waiting.append(of)
        return self._numbers[id(of)][0]

    def digest(self, value: Any) -> str:
        """Return a digest of a value that is written down apart from others."""
        digester = _Digester(self)
        digester.add(value)
        return digester.result()

    def held(self, value: Any) -> str:
        """Return a digest of what code refers to; of what cannot be pickled, its type alone."""
        try:
            return self.digest(value)
        except Exception:  # such as a lock of a module, which is no part of what a function does
            return f"a {type(value).__qualname__}"


class _Digester(NumpyHasher):  # type: ignore[misc]
    """joblib's digest, in which what it knows by name or by order is known by what it is."""

    def __init__(self, met: _Met) -> None:
        super().__init__("md5")
        self._met = met

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
        if isinstance(obj, set | frozenset):
            return type(obj).__name__, sorted(map(self._met.digest, obj))
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
        ordered = list(items)
        try:
            ordered.sort(key=lambda item: item[0])
        except TypeError:  # keys of several types
            ordered.sort(key=lambda item: self._met.digest(item[0]))
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
        list(function.__defaults__ or ()),
        dict(function.__kwdefaults__ or {}),
        [_content(cell) for cell in function.__closure__ or ()],
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

    What it sets itself, such as a count or what is made at the first call, says nothing of it.
    """
    codes = list(_codes(function.__code__))
    done = [(i.opname, i.argval) for code in codes for i in dis.get_instructions(code)]
    put = {name for what, name in done if what in ("STORE_GLOBAL", "DELETE_GLOBAL")}
    read = {name for what, name in done if what in _READS} - put
    attributes = {name for code in codes for name in code.co_names}
    found: dict[str, Any] = {}
    modules = []
    for name in sorted(read & set(function.__globals__)):
        value = function.__globals__[name]
        if isinstance(value, ModuleType):
            modules.append(value)
        else:
            found[name] = value
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


@cache
def _is_own(module: str) -> bool:
    """Whether a module is its user's: of no installed package, where a version says what it is."""
    top = module.partition(".")[0]
    if top in _OURS or top in sys.stdlib_module_names:
        return False
    loaded = sys.modules.get(module) or sys.modules.get(top)
    file = getattr(loaded, "__file__", None)
    return file is None or not {"site-packages", "dist-packages"} & set(Path(file).parts)
