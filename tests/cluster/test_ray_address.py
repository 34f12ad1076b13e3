"""An address at which no cluster answers is refused at once, in words."""

import socket

import pytest

from cluster.errors import ClusterError
from cluster.ray_executor import RayExecutor


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_where_nothing_listens_it_says_so(form):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound but not listening: nobody else gets the port
        address = form.format(closed.getsockname()[1])
        with pytest.raises(ClusterError, match=f"No Ray cluster answers at {address}"):
            RayExecutor(address)


def test_a_port_that_cannot_be_is_refused():
    with pytest.raises(ClusterError, match="No Ray cluster answers at localhost:99999"):
        RayExecutor("localhost:99999")
