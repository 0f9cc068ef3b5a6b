"""Many clients at once, long prompts and short, some of whom leave: minutes, and an hour's soak."""

import gc
import os
import random
import threading
import time

import openai
import psutil
import pytest
from served import gauge_of, on_a_socket, tiny_model, until

from nanogpt_cli.inference.server.limits import Limits

pytestmark = pytest.mark.long

TOKEN = "a-token-of-some-length"
SOAK = float(os.environ.get("NANOGPT_SOAK_SECONDS", "60"))
"""An hour is 3600."""


class Client:
    """Asks one thing after the other: mixed lengths and settings; some replies are left."""

    def __init__(self, api, number, ending):
        self.api, self.drawn, self.ending = api, random.Random(number), ending
        self.whole = self.left = self.busy = 0
        self.wrong, self.waits = [], []

    def run(self):
        while not self.ending():
            try:
                self.ask(self.api)
            except openai.RateLimitError:
                self.busy += 1
                time.sleep(0.5)
            except Exception as error:
                self.wrong.append(repr(error))
                return

    def ask(self, api):
        drawn = self.drawn
        length, begin = drawn.choice([1, 5, 20, 60]), time.perf_counter()
        stream = api.completions.create(
            model="tiny",
            prompt="x" * drawn.choice([1, 3, 30, 200, 500]),
            max_tokens=length,
            stream=True,
            temperature=drawn.choice([0, 0.5, 1.0]),
            top_p=drawn.choice([0.5, 1.0]),
            seed=drawn.randint(0, 10),
            logprobs=drawn.choice([None, 2]),
        )
        leaves = drawn.random() < 0.2
        first = True
        with stream:
            for part in stream:
                if first:
                    self.waits.append(time.perf_counter() - begin)
                    first = False
                if leaves and length > 5:
                    self.left += 1
                    return
                if part.choices[0].finish_reason:
                    self.whole += 1


def run_clients(api, url, count, ending):
    clients = [Client(api, number, ending) for number in range(count)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [w for c in clients for w in c.wrong] == []
    until(lambda: gauge_of(url, TOKEN, "nanogpt_active_texts") == 0)
    assert gauge_of(url, TOKEN, "nanogpt_waiting_texts") == 0
    assert gauge_of(url, TOKEN, "nanogpt_engine_restarts_total") == 0
    return clients


def openai_client(url):
    return openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0)


def report(clients):
    waits = sorted(wait for client in clients for wait in client.waits)
    at = [waits[int(len(waits) * share)] for share in (0.5, 0.95, 0.99)]
    whole, left, busy = (
        sum(getattr(c, name) for c in clients) for name in ("whole", "left", "busy")
    )
    print(f"{whole} whole, {left} left, {busy} told to wait; first piece {at} s (50, 95, 99 %)")


def test_64_clients_of_mixed_lengths_of_whom_some_leave():
    """Everyone is answered, and the slowest client gets its share."""
    limits = Limits(rows=16)
    with (
        on_a_socket(tiny_model(block_size=256), token=TOKEN, limits=limits) as url,
        openai_client(url) as api,
    ):
        end = time.monotonic() + 30
        clients = run_clients(api, url, 64, lambda: time.monotonic() > end)
        report(clients)
        served = [client.whole + client.left for client in clients]
        assert min(served) > 0
        assert max(served) < 8 * (min(served) + 3)  # the lengths are drawn


def test_a_soak_of_many_hours_leaves_nothing_behind():
    """Memory, threads and files are as they were; the last minute is as fast as the first."""
    process, limits = psutil.Process(), Limits(rows=8, waiting=8)
    with (
        on_a_socket(tiny_model(block_size=256), token=TOKEN, limits=limits) as url,
        openai_client(url) as api,
    ):
        part = max(5.0, min(60.0, SOAK / 6))
        begin, seen = time.monotonic(), []
        while time.monotonic() - begin < SOAK:
            end = time.monotonic() + part
            tokens = gauge_of(url, TOKEN, "nanogpt_generated_tokens_total")
            report(run_clients(api, url, 24, lambda end=end: time.monotonic() > end))
            tokens = gauge_of(url, TOKEN, "nanogpt_generated_tokens_total") - tokens
            gc.collect()
            seen.append((process.memory_info().rss / 1e6, process.num_fds(), tokens / part))
            print("MB, files, tokens/s:", seen[-1])
        memory, files, speed = zip(*seen, strict=True)
        assert memory[-1] < memory[1] + 20
        assert files[-1] <= files[1] + 30  # connections that are kept
        third = -(-len(speed) // 3)
        assert max(speed[-third:]) > max(speed[:third]) / 3  # others use this machine too
        assert threading.active_count() < 30
