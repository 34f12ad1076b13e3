"""One BLAS thread per task."""

from contextlib import AbstractContextManager

from threadpoolctl import threadpool_limits


def one_blas_thread() -> AbstractContextManager[object]:
    """Limit BLAS to one thread inside the context.

    Tasks fill the cores already. The environment variables that do the same are
    read when a library is loaded, so a worker process that is used again, or
    that loaded it earlier, does not always honour them.
    """
    limits: AbstractContextManager[object] = threadpool_limits(limits=1, user_api="blas")
    return limits
