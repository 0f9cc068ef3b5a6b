"""Time the chat's start in a pseudo-terminal: the first prompt, and the first token of a reply.

The message is typed as soon as the prompt is there, so the second figure has the whole loading of
torch and of the model in it.

Usage: python benchmarks/chat_start.py RUN [STARTS]
"""

import re
import statistics
import sys
import time

import pexpect  # type: ignore[import-untyped]

MESSAGE = "hello"
REPLIED = re.compile(r"(answers you|continues your text)\.[^\n]*\n+[^\w]*\w")
"""What is on the screen once a reply has begun: it follows the line about the model."""


def start(run: str) -> tuple[float, float]:
    """Return the seconds until the first prompt, and until the first token."""
    begin = time.perf_counter()
    arguments = ["-m", "nanogpt_cli", "chat", run, "--no-save", "--max-tokens", "8"]
    chat = pexpect.spawn(sys.executable, arguments, encoding="utf-8", timeout=120)
    chat.expect("Send a message")
    prompt = time.perf_counter() - begin
    chat.send(f"{MESSAGE}\r")
    chat.expect(REPLIED)
    token = time.perf_counter() - begin
    chat.close(force=True)
    return prompt, token


def main() -> None:
    """Start the chat some times and print the medians."""
    starts = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    start(sys.argv[1])  # warms the disk's cache
    times = [start(sys.argv[1]) for _ in range(starts)]
    for name, seconds in zip(
        ("first prompt", "first token"), zip(*times, strict=True), strict=True
    ):
        print(f"{name:14} median {statistics.median(seconds):.2f} s, fastest {min(seconds):.2f} s")


if __name__ == "__main__":
    main()
