#!/usr/bin/python3
"""tools/run keeps its word: exit statuses, time-outs, nothing left behind, runs side by side."""
import glob
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import e2e
from e2e import boot, check, theme


def children_of(pid):
    """Process ids whose parent is @pid."""
    found = []
    for stat in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(stat, encoding="utf-8", errors="replace") as text:
                fields = text.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.split("/")[2]))
    return found


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as text:
            return text.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def describe(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as text:
            return text.read()[:60]
    except OSError:
        return f"{pid} is gone"


def start_failures():
    b = boot(machine="qemu", extra=["--efi", "/nonexistent/tain.efi"])
    check("a missing image is 125 and one line", b.status == 125 and
          len(b.errors.strip().splitlines()) == 1, b)
    b = boot(machine="qemu", memory=1 << 30)
    check("an emulator that refuses to start is 125", b.status == 125, b)


def time_out():
    before = time.monotonic()
    b = boot(machine="qemu", timeout=1)
    check("a time-out is 124, and in time", b.status == 124 and time.monotonic() - before < 15, b)
    check("and it says what it waited for", "time-out, waiting for its first prompt" in b.errors, b)


def crash():
    # The kernel inside is spoilt: the loader must say so, and not hang.
    with open(os.path.join(e2e.ROOT, "build", "tain.efi"), "rb") as image:
        data = bytearray(image.read())
    at = data.find(b"\x7fELF", 16)
    data[at] = 0
    b = boot(machine="qemu", extra=["--efi", e2e.write("broken.efi", bytes(data))], timeout=60)
    check("a loader that cannot go on says why", b.has(r"tain: loader failed: kernel image is not"), b)
    check("which is status 126", b.status == 126, b)


def interrupted(number):
    own = e2e.scratch(f"tmp-{number}")  # other runs on this machine do not count
    os.mkdir(own)
    child = subprocess.Popen(e2e.run_words(machine="qemu", timeout=100), stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, env=dict(os.environ, TMPDIR=own))
    emulators, until = [], time.monotonic() + 20
    while not any("qemu" in os.readlink(f"/proc/{p}/exe") for p in emulators if alive(p)):
        emulators = children_of(child.pid)
        time.sleep(0.1)
        if time.monotonic() > until:
            break
    time.sleep(0.5)
    there = os.listdir(own)
    child.send_signal(number)
    child.wait(20)
    name = signal.Signals(number).name
    until = time.monotonic() + 30  # the end of a killed process takes a moment
    while (any(map(alive, emulators)) or os.listdir(own)) and time.monotonic() < until:
        time.sleep(0.1)
    check(f"after {name} the emulator is gone", emulators and not any(map(alive, emulators)),
          " ".join(map(describe, emulators)))
    check(f"after {name} no temporary file is left", there and not os.listdir(own), str(there))
    if number != signal.SIGKILL:
        check(f"after {name} the exit status tells the signal", child.returncode == 128 + number,
              str(child.returncode))


def side_by_side():
    words = [e2e.run_words(machine=m, commands=[f"echo from-{i}"], timeout=200)
             for i, m in enumerate(("qemu", "qemu", "bochs"))]
    runs = [subprocess.Popen(w, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT) for w in words]
    outputs = [r.communicate()[0].decode("utf-8", "replace") for r in runs]
    for i, (r, text) in enumerate(zip(runs, outputs)):
        check(f"run {i} of three side by side is its own", r.returncode == 0 and
              f"from-{i}" in text and f"from-{(i + 1) % 3}" not in text, text[-500:])


def script_stops():
    script = e2e.write("commands", "# a comment\nversion\n-no-such-command\necho between\n"
                       "no-such-command\necho behind\n")
    b = boot(machine="qemu", extra=["--script", script], timeout=100)
    check("a script goes on after a failed -COMMAND", b.has(r"^between$"), b)
    check("a script stops at a failed command, with exit 1",
          b.status == 1 and not b.has(r"^behind$"), b)


def interactive():
    words = e2e.run_words(machine="qemu", timeout=100, extra=["--interactive"])
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(words[0], words)
    text, typed, until = b"", 0, time.monotonic() + 100
    for_prompts = (b"echo typed by hand\r", b"exit 5\r")
    while time.monotonic() < until:
        if select.select([terminal], [], [], 1)[0]:
            try:
                text += os.read(terminal, 4096)
            except OSError:  # the other end is closed
                break
        if typed < len(for_prompts) and text.count(b"\ntain> ") > typed and text.endswith(b"> "):
            os.write(terminal, for_prompts[typed])  # all keys at once
            typed += 1
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    check("a burst of typed keys is a command", b"\ntyped by hand" in text, text[-800:])
    check("an interactive run ends with the status of `exit N`", status == 5, str(status))


def log_copy():
    path = e2e.scratch("com1.log")
    boot(machine="qemu", extra=["--log", path], timeout=100)
    with open(path, encoding="utf-8", errors="replace") as log:
        text = log.read()
    check("--log keeps COM1's output to its last line", "tain: exit 0" in text, text[-300:])


PATIENT = """import e2e
class Telling(e2e.Live):
    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name == "wanted":
            print(value, flush=True)
live = Telling(machine="qemu")
live.wait("^tain: ready")
live.wait("what never comes")
"""


def impatience():
    """A test program whose time is over says what it waits for."""
    where = dict(os.environ, PYTHONPATH=os.path.dirname(os.path.abspath(e2e.__file__)))
    where.pop("TAIN_TEST_SECONDS", None)
    child = subprocess.Popen([sys.executable, "-c", PATIENT], env=where, stdout=subprocess.PIPE, text=True)
    waits_for = [child.stdout.readline() for _ in range(3)]  # nothing yet, the first, the second
    child.terminate()
    said = child.communicate(timeout=30)[0]
    check("a program told to end says what it waits for", waits_for[2] == "what never comes\n" and
          re.search(r"^FAIL .* waits for 'what never comes'", said, re.M), f"{waits_for}\n{said}")
    check("with the end of the console", "    tain: ready" in said, said)
    check("and counts it", said.endswith("0 passed, 1 failed\n") and child.returncode == 1, said)
    show = "import e2e; print(e2e.run_words(timeout=900))"
    words = subprocess.run([sys.executable, "-c", show], env=dict(where, TAIN_TEST_SECONDS="60"),
                           capture_output=True, text=True, check=False).stdout
    check("no run outlasts its program", re.search(r"'--timeout', '3\d'", words), words)


def main():
    for test in (start_failures, time_out, impatience, crash, script_stops, log_copy, interactive, side_by_side):
        with theme(test.__name__):
            test()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with theme(f"signal {number}"):
            interrupted(number)
    e2e.finish()


if __name__ == "__main__":
    sys.exit(main())
