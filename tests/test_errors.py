"""Which exceptions say that memory ran out."""

import pytest

from nanogpt_cli.errors import is_out_of_memory


@pytest.mark.parametrize(
    ("error", "out"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), True),
        (ImportError("No module named 'torch'"), False),
        (RuntimeError("shapes cannot be multiplied"), False),
    ],
)
def test_out_of_memory_is_recognised_whoever_reports_it(error, out):  # row 24
    assert is_out_of_memory(error) is out
