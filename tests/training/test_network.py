"""Two hosts, which are network namespaces of this machine, and the cable between them."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import TINY

HOSTS = {"nanogpt-a": "10.231.7.1", "nanogpt-b": "10.231.7.2"}
PORT = "29517"

IMPATIENT = """
import sys
from datetime import timedelta
from nanogpt_cli import cli
from nanogpt_cli.training.parallel import group, replicated
group.MEETING, group.STEP = timedelta(seconds=20), timedelta(seconds=5)
replicated.PATIENCE = timedelta(seconds=5)
sys.exit(cli.run(sys.argv[1:]))
"""


STARTED = []


def ip(*args):
    subprocess.run(["ip", *args], check=True, capture_output=True)


def cut(host):
    """Pull the cable of a host."""
    ip("-n", host, "link", "set", f"{host}-v", "down")


@pytest.fixture
def network():
    """Connect two hosts."""
    if not shutil.which("ip") or os.geteuid() != 0:
        pytest.skip("network namespaces need root and iproute2")
    try:
        for host in HOSTS:
            ip("netns", "add", host)
            ip("-n", host, "link", "set", "lo", "up")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.decode()}")
    first, second = HOSTS
    try:
        ip("-n", first, "link", "add", f"{first}-v", "type", "veth", "peer", f"{second}-v",
           "netns", second)  # fmt: skip
        for host, address in HOSTS.items():
            ip("-n", host, "addr", "add", f"{address}/24", "dev", f"{host}-v")
            ip("-n", host, "link", "set", f"{host}-v", "up")
        yield
    finally:
        while STARTED:
            with STARTED.pop() as process:
                process.kill()
        for host in HOSTS:
            ip("netns", "del", host)


def start(rank, *flags):
    """Start a process as a launcher on its host would."""
    host = list(HOSTS)[rank]
    launcher = {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1",
                "MASTER_ADDR": HOSTS["nanogpt-a"], "MASTER_PORT": PORT,
                "GLOO_SOCKET_IFNAME": f"{host}-v", "OMP_NUM_THREADS": "1"}  # fmt: skip
    command = [sys.executable, "-P", "-c", IMPATIENT, "train", *TINY, "--sample-tokens=0",
               "--log-interval=1", "--out-dir=out/a", *flags]  # fmt: skip
    STARTED.append(
        subprocess.Popen(
            ["ip", "netns", "exec", host, *command],
            env={**os.environ, **launcher}, stderr=subprocess.PIPE, text=True,
        )
    )  # fmt: skip
    return STARTED[-1]


def steps():
    log = Path("out/a/metrics.jsonl")
    lines = log.read_text().splitlines() if log.exists() else []
    return sum(json.loads(line)["event"] == "train" for line in lines)


@pytest.mark.long
@pytest.mark.usefixtures("text_data", "network")
class TestTwoHosts:
    def test_they_train_together(self):
        started = [start(rank, "--max-iters=3") for rank in range(2)]
        said = [process.communicate(timeout=300)[1] for process in started]
        assert [process.returncode for process in started] == [0, 0], said
        assert ["done in" in text for text in said] == [True, False]

    @pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
    def test_a_host_that_is_cut_off_is_noticed(self, strategy):
        flags = ["--max-iters=1000000", f"--strategy={strategy}", "--save-every=5"]
        started = [start(rank, *flags) for rank in range(2)]
        deadline = time.monotonic() + 240
        while steps() < 12:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        cut("nanogpt-b")
        said = [process.communicate(timeout=240)[1] for process in started]
        assert [process.returncode for process in started] == [5, 5], "\n".join(said)
        assert "process 0 of 2 has waited 5s for the others in vain" in said[0]
        assert "GLOO_SOCKET_IFNAME" in said[0]
        assert not any("Traceback" in text for text in said)

    def test_a_host_that_is_not_there_is_told_with_the_fix(self):
        cut("nanogpt-a")
        process = start(1)
        _, said = process.communicate(timeout=240)
        assert process.returncode == 5
        assert f"the processes cannot meet at {HOSTS['nanogpt-a']}:{PORT}" in said
        assert "every node reaches that address" in said
