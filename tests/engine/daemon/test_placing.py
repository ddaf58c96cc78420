"""What a machine cannot give is refused, in one sentence."""

import platform
import subprocess
import sys

import pytest

from engine.config import RunConfig, apply
from engine.daemon.placing import check, cpu_slots, device_of, has_mps
from engine.daemon.scheduler import Machine
from engine.errors import SettingsError

PLAIN, WITH_GPU, APPLE = Machine(2, 0), Machine(16, 1), Machine(8, 0, has_mps=True)


def asking(device: str = "auto", threads: int = 1) -> RunConfig:
    return apply(RunConfig(), {"training.device": device, "training.threads": threads})


@pytest.mark.parametrize(
    ("device", "machine", "sentence"),
    [
        ("cuda", PLAIN, "must be auto or cpu on this machine, which has no CUDA device, got cuda"),
        ("mps", PLAIN, "must be auto or cpu on this machine, which has no MPS device, got mps"),
        ("mps", WITH_GPU, "must be auto, cpu or cuda on this machine, which has no MPS device"),
        ("cuda", APPLE, "must be auto, cpu or mps on this machine, which has no CUDA device"),
    ],
)
def test_a_device_that_is_not_there_is_refused(device: str, machine: Machine, sentence: str):
    with pytest.raises(SettingsError, match=f"^training.device {sentence}"):
        device_of(asking(device), machine)
    with pytest.raises(SettingsError, match=sentence):
        cpu_slots(asking(device), machine)


def test_a_device_that_is_there_is_taken():
    assert device_of(asking("mps"), APPLE) == "mps"
    assert device_of(asking("cuda"), WITH_GPU) == device_of(asking(), WITH_GPU) == "cuda"
    assert device_of(asking(), PLAIN) == "cpu"


def test_a_fused_mlp_needs_cuda():
    asked = apply(RunConfig(), {"training.fused_mlp": True, "training.precision": "tf32"})
    check(asked, WITH_GPU)
    for look in (check, cpu_slots):
        with pytest.raises(SettingsError, match=r"^training.fused_mlp needs .*on cpu; set it to"):
            look(asked, PLAIN)


def test_more_threads_than_cores_are_refused():
    sentence = "must lie between 1 and 2 on this machine, which has 2 cores, got 99"
    for look in (check, cpu_slots):
        look(asking(threads=2), PLAIN)
        with pytest.raises(SettingsError, match=f"^training.threads {sentence}$"):
            look(asking(threads=99), PLAIN)


@pytest.mark.parametrize(
    ("system", "processor", "found"),
    [("Darwin", "arm64", True), ("Darwin", "x86_64", False), ("Linux", "arm64", False)],
)
def test_apples_gpu_is_told_by_system_and_processor(
    system: str, processor: str, found: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: processor)
    assert has_mps() is found


def test_devices_are_told_without_torch():
    code = (
        "import sys; from engine.daemon.placing import has_mps; has_mps();"
        "print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.strip() == "False"
