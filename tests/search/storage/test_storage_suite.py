"""The suite for places where runs lie, passed by a disk and by a store."""

import pytest

from search.testing import StorageSuite


class TestDisk(StorageSuite):
    @pytest.fixture
    def folder(self, tmp_path):
        return tmp_path


@pytest.mark.xdist_group("s3")
@pytest.mark.usefixtures("quick_lease")
class TestObjectStore(StorageSuite):
    @pytest.fixture
    def folder(self, s3):
        return s3.path("run")
