"""How many runs of a shape fit is learnt once."""

from engine.daemon.limits import Limits
from engine.home import Home


def test_a_limit_holds_for_its_shape_and_device_and_outlives_the_daemon(home: Home):
    Limits(home.create()).learn("a shape", "cuda", 32)
    again = Limits(home)
    assert again.most("a shape", "cuda") == 32
    assert again.most("a shape", "cpu") is None
    assert again.most("another", "cuda") is None


def test_a_limit_only_falls_and_never_below_one(home: Home):
    limits = Limits(home.create())
    for n in (32, 40, 0):
        limits.learn("a shape", "cuda", n)
    assert limits.most("a shape", "cuda") == 1


def test_a_damaged_record_is_forgotten(home: Home):
    home.create().limits.write_text("rubbish")
    assert Limits(home).most("a shape", "cuda") is None
