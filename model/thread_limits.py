"""How many threads libraries may take inside a task: other tasks fill the other cores."""

import sys
from contextlib import AbstractContextManager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


def limited_threads(
    limit: int | None, user_api: str | None = None
) -> AbstractContextManager[object]:
    """Limit the threads of the libraries that are loaded by now, inside the context.

    The environment variables that do the same are read when a library is loaded: a worker
    process that is used again, or that loaded it earlier, does not always honour them.

    Parameters
    ----------
    limit : int or None
        Threads of a library; as many as it would take anyway where None.
    user_api : str, optional
        "blas" or "openmp": these libraries only.

    Returns
    -------
    context manager
    """
    limits: AbstractContextManager[object] = _libraries(len(sys.modules)).limit(
        limits=limit, user_api=user_api
    )
    return limits


@lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:
    """Find the libraries that are loaded, which takes milliseconds: longer than a small task.

    They come with Python's modules, so they are looked for again where there are more of these.
    """
    del modules
    return ThreadpoolController()
