"""Time `nanogpt --help` against the help of a bare Typer program with one command, in turn.

Usage: python benchmarks/startup.py [RUNS]
"""

import statistics
import subprocess
import sys
import time

BARE = "import typer; app = typer.Typer(); app.command()(lambda name: None); app(['--help'])"
COMMANDS = {
    "nanogpt --help": [sys.executable, "-m", "nanogpt_cli", "--help"],
    "bare Typer --help": [sys.executable, "-c", BARE],
}


def main() -> None:
    """Run both in turn and print the medians and their ratio."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(runs + 1):
        for name, command in COMMANDS.items():
            begin = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if turn:  # the first of each warms the disk's cache
                times[name].append(time.perf_counter() - begin)
    ours, bare = (statistics.median(values) for values in times.values())
    for name, values in times.items():
        median, fastest = statistics.median(values), min(values)
        print(f"{name:18} median {median * 1000:.0f} ms, fastest {fastest * 1000:.0f} ms")
    print(f"ratio of medians   {ours / bare:.2f}")


if __name__ == "__main__":
    main()
