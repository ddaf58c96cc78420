import pytest

from engine.home import Home
from tests.engine.worker.bench import Bench


@pytest.fixture
def bench(home: Home) -> Bench:
    return Bench(home)
