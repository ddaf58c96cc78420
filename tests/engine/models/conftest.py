"""What the parity tests have seen is kept where it is asked for."""

from tests.engine.models.agreement import write_seen


def pytest_sessionfinish() -> None:
    """Called once all tests have run."""
    write_seen()
