"""What the machine offers: device, precision, and whether torch.compile works here."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import cast

import psutil
import torch

from nanogpt_cli.config import DType
from nanogpt_cli.errors import UsageError, is_out_of_memory
from nanogpt_cli.setting import check_device


def find_device(name: str = "auto") -> torch.device:
    """Return the device called ``name``; ``auto`` is the best one there is.

    Raises UsageError where the machine has no such device.
    """
    check_device(name)
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    kind, _, index = name.partition(":")
    if (kind == "cuda" and not cuda) or (kind == "mps" and not mps):
        raise UsageError(f"--device {name}: this machine has no {kind}", "use --device auto")
    if kind == "cuda" and index and int(index) >= torch.cuda.device_count():
        raise UsageError(
            f"--device {name}: this machine has {torch.cuda.device_count()} GPUs, counted from 0",
            "use --device auto",
        )
    return torch.device(name)


def find_dtype(name: DType, device: torch.device) -> torch.dtype:
    """Return the precision of the matrix products; ``auto`` is bfloat16 where it is fast.

    Raises UsageError where the device cannot.
    """
    if name == "auto":
        if device.type == "cuda":
            return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        return torch.bfloat16 if device.type == "cpu" and cpu_has_bfloat16() else torch.float32
    if name == "float16" and device.type != "cuda":
        raise UsageError(f"--dtype float16 needs cuda, not {device.type}", "use bfloat16 there")
    return cast(torch.dtype, getattr(torch, name))


@cache
def cpu_has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 matrices in hardware (AMX, AVX-512 BF16)."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


def available_memory() -> int:
    """Return the bytes of memory that this process may still take, on the CPU's side.

    The least of what the machine has free, of a container's limit and of ``ulimit -v``.
    """
    process = psutil.Process().memory_info()
    found = [int(psutil.virtual_memory().available)]
    container = Path("/sys/fs/cgroup/memory.max")
    if container.is_file() and (limit := container.read_text().strip()).isdecimal():
        found.append(int(limit) - int(process.rss))
    if sys.platform != "win32":
        import resource

        limit_as, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit_as != resource.RLIM_INFINITY:
            found.append(limit_as - int(process.vms))
    return max(0, min(found))


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Return the context in which matrix products run in ``dtype``."""
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device_type=device.type, dtype=dtype)


def try_compile(
    model: torch.nn.Module,
    example: tuple[torch.Tensor, torch.Tensor],
    precision: Callable[[], AbstractContextManager[object]],
    say: Callable[[str], None],
) -> torch.nn.Module:
    """Compile ``model`` if that works on this machine, else say why not and give it back.

    ``example`` is a batch, inputs and targets (B, T) on the model's device, to prove that it runs
    in the ``precision`` of training, and to compile it before its time is taken.
    """
    try:
        compiled = cast(torch.nn.Module, torch.compile(model))
        with precision():
            loss = compiled(*example)
        loss.backward()
    except Exception as error:  # compilers fail in their own many ways, and none is fatal here
        if is_out_of_memory(error):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        say(f"torch.compile does not work here, continuing without it ({reason[:120]})")
        compiled = model
    model.zero_grad(set_to_none=True)
    return compiled


def compiles(wanted: bool | None, device: torch.device) -> bool:
    """Whether training uses torch.compile: where it is asked for, by default on cuda only."""
    return device.type == "cuda" if wanted is None else wanted
