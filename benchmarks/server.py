"""How many tokens a second chat --web generates for several clients at a time, beside one.

Usage: python benchmarks/server.py MODEL [--clients 16] [--requests 64] [--max-tokens 128]
       [--repeats 3] [--device cpu] [--leave 0.0]

The server runs as a process of its own, as users start it; clients are threads that stream replies
of a fixed length from ``/v1/completions``. ``--leave`` is the share of clients that go away in the
middle of a reply. One client and many take turns, and the median of the repeats counts.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

TEXT = "my dog is ill and i am so worried about what comes next when you are not here"


@dataclass
class Result:
    """What clients saw."""

    tokens: int = 0
    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    left: int = 0
    errors: list[str] = field(default_factory=list)


@contextmanager
def server(model: str, device: str) -> Iterator[tuple[str, psutil.Process]]:
    """Start a server on a free port; give its URL and its process."""
    command = [sys.executable, "-P", "-m", "nanogpt_cli", "chat", model, "--web", "--no-browser"]
    with subprocess.Popen(
        [*command, "--port", "0", "--device", device], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        url = process.stderr.readline().strip()
        if not url.startswith("http"):
            sys.exit(url + process.stderr.read())
        try:
            yield url, psutil.Process(process.pid)
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=10)


def ask(url: str, length: int, seed: int, most: int, result: Result, leaves: bool) -> None:
    """Stream one text of ``length`` tokens; a client that leaves takes a part of it."""
    drawn = random.Random(seed)
    prompt = " ".join(drawn.choices(TEXT.split(), k=drawn.randint(2, most)))
    body = {"prompt": prompt, "max_tokens": length, "stream": True, "seed": seed}
    body["stream_options"] = {"include_usage": True}
    request = urllib.request.Request(
        f"{url}v1/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    begin = last = time.perf_counter()
    got = 0
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:
            for line in answer:
                if not line.startswith(b"data: {"):
                    continue
                event = json.loads(line[6:])
                if "error" in event:
                    result.errors.append(event["error"]["message"])
                    return
                now = time.perf_counter()
                if "usage" in event:
                    got = event["usage"]["completion_tokens"]
                elif event["choices"][0]["text"]:
                    (result.gaps if got else result.first).append(now - (last if got else begin))
                    got, last = got + 1, now
                if leaves and got > length / 8:
                    result.left += 1
                    break
            else:
                result.whole.append(time.perf_counter() - begin)
    except OSError as error:
        result.errors.append(str(error))
    result.tokens += got


def load(
    url: str, clients: int, requests: int, length: int, leave: float = 0.0, most: int = 12
) -> tuple[Result, float]:
    """Let so many clients ask one thing after the other; give what they saw, and the seconds."""
    result, numbers = Result(), iter(range(requests))
    drawn = random.Random(clients)
    lock = threading.Lock()

    def client() -> None:
        while True:
            with lock:
                number = next(numbers, None)
                leaves = drawn.random() < leave
            if number is None:
                return
            ask(url, length, number, most, result, leaves)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return result, time.perf_counter() - begin


def cpu_seconds(process: psutil.Process) -> float:
    """Return how long a process has computed, whatever else the machine does."""
    times = process.cpu_times()
    return float(times.user + times.system)


def percentiles(values: list[float]) -> str:
    """Return the median, the 95th and the 99th percentile in milliseconds."""
    ordered = sorted(values) or [0.0]
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95, 0.99)]
    return " / ".join(f"{1000 * value:,.0f}" for value in at)


def main() -> None:
    """Measure, and print a line for one client and one for many."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--requests", type=int, default=64)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--leave", type=float, default=0.0)
    args = parser.parse_args()
    speeds: dict[int, list[float]] = {1: [], args.clients: []}
    costs: dict[int, list[float]] = {1: [], args.clients: []}
    with server(args.model, args.device) as (url, process):
        load(url, args.clients, args.clients, 8)  # the first calls allocate
        for _ in range(args.repeats):
            for clients in speeds:
                requests = max(2, args.requests // 16) if clients == 1 else args.requests
                before = cpu_seconds(process)
                result, seconds = load(url, clients, requests, args.max_tokens, args.leave)
                speeds[clients].append(result.tokens / seconds)
                costs[clients].append(1000 * (cpu_seconds(process) - before) / result.tokens)
                print(
                    f"{clients:3} clients: {result.tokens / seconds:7,.0f} tokens/s, "
                    f"{costs[clients][-1]:.2f} ms of CPU a token, "
                    f"first token {percentiles(result.first)} ms, "
                    f"between pieces {percentiles(result.gaps)} ms (50 / 95 / 99 %), "
                    f"{len(result.whole)} whole, {result.left} left, {len(result.errors)} errors, "
                    f"{process.memory_info().rss / 1e6:,.0f} MB"
                )
    one, many = (statistics.median(speeds[clients]) for clients in speeds)
    cheaper = statistics.median(costs[1]) / statistics.median(costs[args.clients])
    print(f"{args.clients} clients get {many / one:.1f} times the tokens of one; ", end="")
    print(f"each costs the server's processor {cheaper:.1f} times less")


if __name__ == "__main__":
    main()
