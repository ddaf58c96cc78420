from collections.abc import Iterator

import pytest

from engine.home import Home
from tests.engine.daemon.ward import Ward


@pytest.fixture
def ward(home: Home) -> Iterator[Ward]:
    ward = Ward(home)
    yield ward
    ward.close()
