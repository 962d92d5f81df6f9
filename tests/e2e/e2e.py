"""e2e.py - what every end-to-end test uses: boot through tools/run, check promises, count them.

A test program is tests/e2e/test_THEME.py. It boots as few times as it can, calls check() once for
each promise, and ends with finish(), whose last line `make test` sums up.
"""
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUN = os.path.join(ROOT, "tools", "run")
ANSI = re.compile(r"\x1b\[[0-9;?=]*[A-Za-z]|\x1b[=>()][0-9A-Za-z]?|\r")

_counts = {"passed": 0, "failed": 0}
_folder = tempfile.TemporaryDirectory(prefix="tain-e2e-")


class Boot:
    """The result of one run: exit status, COM1's text without escape sequences, stderr."""

    def __init__(self, status, text, errors):
        self.status, self.text, self.errors = status, text, errors

    def has(self, pattern):
        """Whether a line matches the regular expression @pattern (searched, multi-line)."""
        return re.search(pattern, self.text, re.M) is not None

    def output_of(self, command):
        """What the console printed after the typed @command, up to the next prompt; or ''."""
        _, typed, rest = self.text.partition(f"tain> {command}\n")
        return rest.split("\ntain> ")[0] if typed else ""


def scratch(name):
    """A path in this program's own temporary folder."""
    return os.path.join(_folder.name, name)


def write(name, content):
    """Write text or bytes into the temporary folder; returns the path."""
    path = scratch(name)
    with open(path, "wb") as out:
        out.write(content if isinstance(content, bytes) else content.encode())
    return path


def run_words(config="none", commands=(), files=(), machine="bochs", cpus=1, memory=None,
              timeout=480, extra=()):
    """The command line of tools/run. @config: 'none', None for the sample, or text."""
    words = [RUN, "--machine", machine, "--cpus", str(cpus), "--timeout", str(timeout)]
    if memory:
        words += ["--memory", str(memory)]
    if config is not None:
        if config != "none":
            run_words.count = getattr(run_words, "count", 0) + 1
            config = write(f"tain{run_words.count}.cfg", config)
        words += ["--config", config]
    for host, path in files:
        words += ["--file", f"{host}={path}"]
    for command in commands:
        words += ["--command", command]
    return words + list(extra)


def boot(**how):
    """Boot once and return a Boot. Arguments as run_words()."""
    done = subprocess.run(run_words(**how), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    text = ANSI.sub("", done.stdout.decode("utf-8", "replace"))
    return Boot(done.returncode, text, done.stderr.decode("utf-8", "replace"))


def check(name, condition, detail=""):
    """One promise. @detail (text or a Boot) is shown when it is broken."""
    if condition:
        _counts["passed"] += 1
        print(f"ok {name}", flush=True)
        return True
    _counts["failed"] += 1
    if isinstance(detail, Boot):
        tail = "\n".join("    " + line for line in detail.text.splitlines()[-60:])
        detail = f"exit status {detail.status} {detail.errors.strip()}\n{tail}"
    print(f"FAIL {name}: {detail}", flush=True)
    return False


@contextlib.contextmanager
def theme(name):
    """A block whose unexpected exception is one failure, and does not end the program."""
    try:
        yield
    except Exception:  # a test program reports, whatever happens
        check(name, False, traceback.format_exc())


def finish():
    """The last line, and the exit status."""
    _folder.cleanup()
    print(f"{_counts['passed']} passed, {_counts['failed']} failed")
    sys.exit(1 if _counts["failed"] else 0)
