"""e2e.py - what every end-to-end test uses: boot through tools/run, check promises, count them.

A test program is tests/e2e/test_THEME.py. It boots as few times as it can, calls check() once for
each promise, and ends with finish(), whose last line `make test` sums up. A run ends before the
program's time does (TAIN_TEST_SECONDS, from tools/run-tests); a program that is told to end
nevertheless (SIGTERM) says first what it waits for, with the end of its machine's console.
"""
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUN = os.path.join(ROOT, "tools", "run")
ANSI = re.compile(r"\x1b\[[0-9;?=]*[A-Za-z]|\x1b[=>()][0-9A-Za-z]?|\r")

_counts = {"passed": 0, "failed": 0}
_folder = tempfile.TemporaryDirectory(prefix="tain-e2e-")
_running = []  # the runs under way: waits_for() and text say where they are
_limit = float(os.environ.get("TAIN_TEST_SECONDS", "inf"))
_end = time.monotonic() + _limit - 25  # what a run needs to end, and the program to tell of it


class Boot:
    """The result of one run: exit status, COM1's text without escape sequences, stderr."""

    def __init__(self, status, text, errors):
        self.status, self.text, self.errors = status, text, errors

    def has(self, pattern):
        """Whether a line matches the regular expression @pattern (searched, multi-line)."""
        return re.search(pattern, self.text, re.M) is not None

    def output_of(self, command):
        """What the console printed after the typed @command, up to the next prompt; or ''. A line that a
        guest printed while the command stood there unfinished makes the console show it again; one that
        came between the prompt and its first key leaves it without its prompt."""
        _, typed, rest = self.text.partition(f"tain> {command}\n")
        if not typed:
            alone = re.search(rf"^{re.escape(command)}\n", self.text, re.M)
            if not alone:
                return ""
            rest = self.text[alone.end():]
        said, _, after = rest.partition("\ntain> ")
        while after.startswith(f"{command}\n") and all(re.match(r"\w+\| ?|\[ *\d|tain: ", line)
                                                     for line in said.splitlines()):
            said, _, after = after[len(command) + 1:].partition("\ntain> ")
        return said


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
    timeout = max(1, min(timeout, _end - time.monotonic()))
    words = [RUN, "--machine", machine, "--cpus", str(cpus), "--timeout", f"{timeout:.0f}"]
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


def under_way(run):
    """Note a run that a test program made for itself: it has text, waits_for(), and run, its process."""
    _running.append(run)


class Output:
    """What the pipes of a child say, read by threads while it runs."""

    def __init__(self, words, **how):
        self.raw, self.errors = b"", ""
        self.run = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)
        self.readers = [threading.Thread(target=self._read), threading.Thread(target=self._errors)]
        for reader in self.readers:
            reader.start()
        under_way(self)

    def _read(self):
        while data := self.run.stdout.read1(65536):
            self.raw += data

    def _errors(self):
        self.errors = self.run.stderr.read().decode("utf-8", "replace")

    @property
    def text(self):
        """COM1's text so far, without escape sequences."""
        return ANSI.sub("", self.raw.decode("utf-8", "replace"))

    def waits_for(self):
        """Where a run stands: the last command that it was given."""
        typed = re.findall(r"^tain> (.+)$", self.text, re.M)
        return f"the end of `{typed[-1]}`" if typed else "its first prompt"

    def over(self):
        """The child has ended: the Boot that it was."""
        for reader in self.readers:
            reader.join(10)
        if self in _running:
            _running.remove(self)
        return Boot(self.run.returncode, self.text, self.errors)


def boot(**how):
    """Boot once and return a Boot. Arguments as run_words()."""
    output = Output(run_words(**how), stdin=subprocess.DEVNULL)
    output.run.wait()
    return output.over()


def file_of(image, path):
    """The text of file @path on the ESP of a disk image; '' if it is not there."""
    done = subprocess.run(["mcopy", "-n", "-i", f"{image}@@1M", f"::/{path}", "-"], check=False,
                          env={"PATH": "/usr/bin:/bin", "MTOOLS_SKIP_CHECK": "1"},
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.decode("utf-8", "replace")


class Live(Output):
    """A run with its keyboard: wait for what is printed, type, and leave at the end."""

    def __init__(self, timeout=480, extra=(), **how):
        self.seen, self.wanted = 0, ""
        super().__init__(run_words(timeout=timeout, extra=["--interactive", *extra], **how),
                         stdin=subprocess.PIPE)

    def waits_for(self):
        """Where a run stands: the pattern that the test waits for."""
        return f"{self.wanted!r} in what follows"

    def wait(self, pattern, seconds=300, whole=False):
        """Whether @pattern comes within @seconds, after what earlier waits have seen; with @whole,
        whether it ever came, for lines that keep no order with those."""
        until = time.monotonic() + seconds
        self.wanted = pattern
        while True:
            alive = self.run.poll() is None
            if found := re.compile(pattern, re.M).search(self.text, 0 if whole else self.seen):
                self.seen = max(self.seen, found.end())
                return True
            if not alive or time.monotonic() > until:
                return False
            time.sleep(0.2)

    def type(self, text):
        """Type @text as it is: a line ends with \\r."""
        with contextlib.suppress(BrokenPipeError):
            self.run.stdin.write(text.encode())
            self.run.stdin.flush()

    def command(self, line, seconds=60):
        """A command at the console's prompt; whether the next prompt came."""
        self.type(line + "\r")
        return self.wait(re.escape(line), seconds) and self.wait(r"^tain> \Z", seconds)

    def leave(self, command="exit", seconds=60):
        """Type @command and return the run as a Boot; a run that does not end is ended."""
        self.type(command + "\r")
        try:
            self.run.wait(seconds)
        except subprocess.TimeoutExpired:
            self.run.terminate()
            self.run.wait()
        return self.over()


def tail(text):
    """The last lines of a console's text, set apart."""
    return "\n".join("    " + line for line in text.splitlines()[-60:])


def check(name, condition, detail=""):
    """One promise. @detail (text or a Boot) is shown when it is broken."""
    if condition:
        _counts["passed"] += 1
        print(f"ok {name}", flush=True)
        return True
    _counts["failed"] += 1
    if isinstance(detail, Boot):
        detail = f"exit status {detail.status} {detail.errors.strip()}\n{tail(detail.text)}"
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


def told_to_end(_number, _frame):
    """Somebody's patience is at its end: say where each run stands, and end it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _running[:] = [each for each in _running if each.run.poll() is None]
    for each in _running:
        check("the program ends in time", False, f"it waits for {each.waits_for()}\n{tail(each.text)}")
        each.run.terminate()
    if not _running:
        check("the program ends in time", False, "".join(traceback.format_stack(_frame)))
    for each in _running:
        with contextlib.suppress(subprocess.TimeoutExpired):
            each.run.wait(4)
    print(f"{_counts['passed']} passed, {_counts['failed']} failed", flush=True)
    _folder.cleanup()
    os._exit(1)  # its threads may still wait for a pipe


signal.signal(signal.SIGTERM, told_to_end)
