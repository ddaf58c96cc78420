"""What is known of free memory without torch."""

import pytest

from engine.daemon.memory import Memory, measure, parse

ANSWER = """\
0, GPU-1f2e3d4c-0000, 79000, 81559
1, GPU-aaaabbbb-1111, 100, 81559
2, GPU-cccc-2222, [N/A], [N/A]
"""
MIB = 1 << 20


def test_gpus_are_found_by_number_and_by_uuid_in_the_order_in_which_they_are_named():
    found = parse(ANSWER, ["1", "GPU-1f2e3d4c"])
    assert found == (Memory(100 * MIB, 81559 * MIB), Memory(79000 * MIB, 81559 * MIB))


def test_a_gpu_that_does_not_tell_is_unknown():
    assert parse(ANSWER, ["2", "7"]) == (None, None)
    assert parse("no devices were found\n", ["0"]) == (None,)


def test_a_machine_without_gpus_tells_its_own_memory():
    room = measure(())
    assert 0 < room.host.free <= room.host.total
    assert room.gpus == ()


def test_where_nvidia_smi_is_missing_every_gpu_is_unknown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert measure(("0", "1")).gpus == (None, None)


def test_a_twentieth_is_left_to_others_whether_or_not_it_is_free():
    memory = Memory(free=400, total=1000)
    assert (memory.usable, memory.most) == (350, 950)
