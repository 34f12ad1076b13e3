"""A share of a cluster is an executor like any other: the one suite holds for it."""

import pytest
from serving import Clock

from cluster.executor import SerialExecutor
from search.ledger import Ledger, Submission
from search.service.hub import Hub
from search.service.share import Share
from search.testing import ExecutorSuite


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "l", Clock())
    ledger.people.add("ann")
    hub = Hub(SerialExecutor, ledger)
    hub.start()
    yield hub, ledger
    hub.stop()
    ledger.close()


class TestShare(ExecutorSuite):
    @pytest.fixture
    def executor(self, hub):
        hub, ledger = hub
        row, _ = ledger.sweeps.submit(
            Submission(
                person="ann", queue="all", priority=0, name="grid", settings={}, options={},
                dataset={}, total=1, folder=str, request_digest=b"",
            )
        )  # fmt: skip
        share = Share(hub, row.id)
        hub.admit(share, row)
        yield share
        share.close()
        assert ledger.leases.all() == []
