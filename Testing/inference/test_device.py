from types import SimpleNamespace

import psutil
import pytest
import torch

from VQSegLib.inference.device import (
    compute_batch_size,
    is_out_of_memory,
    list_devices,
    resolve_device,
    resolve_precision,
)

CPU = torch.device("cpu")


def test_auto_takes_cuda_only_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto").type == "cuda"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    assert resolve_device(CPU) == CPU


def test_auto_precision_follows_the_device(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": False}, raising=False)
    assert resolve_precision("auto", CPU) == torch.float32
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    assert resolve_precision("auto", CPU) == torch.bfloat16
    assert resolve_precision("bfloat16", CPU) == torch.bfloat16


@pytest.mark.parametrize(("capability", "dtype"), [((7, 5), torch.float32), ((8, 0), torch.bfloat16)])
def test_auto_precision_on_cuda_needs_hardware_for_it(monkeypatch, capability, dtype):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert resolve_precision("auto", torch.device("cuda")) == dtype


def test_the_batch_follows_free_memory(monkeypatch):
    def free(gib):
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=int(gib * 2**30)))

    free(64)
    slices, windows = compute_batch_size(CPU, (256, 256), 9), compute_batch_size(CPU, (80, 112, 112), 9)
    assert (slices, windows) == (5, 1)
    free(0.3)
    assert compute_batch_size(CPU, (256, 256), 9) == 2
    free(0.01)
    assert compute_batch_size(CPU, (512, 512), 9) == 1
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (8 << 30, 16 << 30))
    assert compute_batch_size(torch.device("cuda"), (512, 512), 9) == 15


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), True),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_which_errors_mean_that_memory_ran_out(error, expected):
    assert is_out_of_memory(error) is expected


def test_a_real_allocation_failure_is_recognized():
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        torch.empty(2**58, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_the_devices_of_this_machine_are_listed_default_first() -> None:
    devices = list_devices()
    assert resolve_device(devices[0].id).type == resolve_device("auto").type
    assert devices[-1].id == "cpu"
    assert all(device.name and device.memory_bytes > 0 for device in devices)
