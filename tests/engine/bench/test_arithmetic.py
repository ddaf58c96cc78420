"""The counts of operations are those that the networks carry out."""

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from data import build_task
from engine.bench.training.arithmetic import batch_of, naive_flops, needed_flops, own_product, ways
from engine.bench.training.settings import SETTINGS, Setting


def test_the_naive_count_is_what_the_plain_network_multiplies(setting: Setting):
    task = build_task(setting.config.task, seed=0)
    loop = setting.peer(task, setting.config, torch.device("cpu"))
    tokens = torch.from_numpy(task.splits["train"].tokens[:8])
    # what torch fuses it does not count
    unfused = sdpa_kernel(SDPBackend.MATH)
    with unfused, torch.no_grad(), FlopCounterMode(display=False) as counter:
        loop.network(tokens)
    a_row = naive_flops(setting.config) / batch_of(setting.config)
    assert 3 * counter.get_total_flops() / 8 == a_row


def test_what_is_needed_of_nandas_setting_is_a_quarter_of_the_naive_count():
    config = SETTINGS["nanda"].config
    assert batch_of(config) == 3830
    assert 3.7e9 < needed_flops(config) < 3.8e9
    assert 14.5e9 < naive_flops(config) < 14.7e9
    assert own_product(config).flops == 2 * 3 * 3830 * 128 * 512


def test_a_gpu_measures_fused_kernels_where_a_network_has_them():
    cuda, plain = torch.device("cuda"), ("float32", "tf32", "bfloat16")
    found = {name: ways(setting.config, cuda) for name, setting in SETTINGS.items()}
    assert found["nanda"] == (*plain, "tf32-fused", "bfloat16-fused")
    assert found["composition-paper"] == plain  # too wide
    assert ways(SETTINGS["nanda"].config, torch.device("cpu")) == ("float32", "bfloat16")
