"""net_tools.py - programs that others wrote, at the other end of Tain's network: a syslog daemon, Prometheus,
socat, gdb; and ports for them.

They lie unpacked under build/net-tools (tools/fetch-net-tools) and are run from there, each with settings of its own in the
test's folder. They listen on loopback addresses only.
"""
import json
import os
import random
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import e2e

HERE = os.path.join(e2e.ROOT, "build", "net-tools")
LIBRARIES = [os.path.join(HERE, *path) for path in (("usr", "lib", "x86_64-linux-gnu"), ("lib", "x86_64-linux-gnu"))]
PORTS = range(10000, 30000)  # below those that the kernel gives to whoever connects


def program(name):
    """The path of a program: the one that was fetched, else this machine's own."""
    for folder in ("usr/bin", "usr/sbin", "bin"):
        path = os.path.join(HERE, folder, name)
        if os.path.exists(path):
            return path
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") or name


def environment():
    """Where those programs find their libraries."""
    return dict(os.environ, LD_LIBRARY_PATH=":".join(LIBRARIES), LC_ALL="C", TZ="UTC")


def free_port(kind=socket.SOCK_STREAM):
    """A port of 127.0.0.1 that nobody has, and that nobody is given by chance."""
    while True:
        port = random.choice(PORTS)
        with socket.socket(socket.AF_INET, kind) as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def until(ready, seconds=60):
    """What @ready() returns, once that is something, or None."""
    end = time.monotonic() + seconds
    while not (value := ready()) and time.monotonic() < end:
        time.sleep(0.2)
    return value


class Daemon:
    """A program in the foreground, ended with us."""

    def __init__(self, name, words):
        self.name, self.words = name, words
        self.child = None

    def start(self):
        with open(e2e.scratch(f"{self.name}.out"), "ab") as out:
            self.child = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                          env=environment(), cwd=e2e.scratch(""))

    def stop(self):
        if self.child:
            self.child.terminate()
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.child = None

    def complaint(self):
        """What it said, for a failed check."""
        with open(e2e.scratch(f"{self.name}.out"), encoding="utf-8", errors="replace") as out:
            return out.read()[-2000:]


RSYSLOG = """\
module(load="imudp")
input(type="imudp" address="127.0.0.1" port="{port}")
template(name="fields" type="string"
  string="%protocol-version%|%syslogfacility-text%|%syslogseverity-text%|%hostname%|%app-name%|%structured-data%|%msg%\\n")
template(name="again" type="string"
  string="<%PRI%>1 %TIMESTAMP:::date-rfc3339% %HOSTNAME% %APP-NAME% %PROCID% %MSGID% %STRUCTURED-DATA% %msg%\\n")
if $inputname == "imudp" then {{
  action(type="omfile" file="{fields}" template="fields")
  action(type="omfile" file="{again}" template="again")
}}
"""


class Rsyslog(Daemon):
    """The daemon that Debian 12 has. Each message is written by its fields as the daemon took them apart, and once
    more in the form of RFC 5424."""

    def __init__(self):
        self.port = free_port(socket.SOCK_DGRAM)
        self.fields, self.again = e2e.scratch("fields.log"), e2e.scratch("rfc5424.log")
        config = e2e.write("rsyslog.conf", RSYSLOG.format(port=self.port, fields=self.fields, again=self.again))
        modules = os.path.join(LIBRARIES[0], "rsyslog")
        super().__init__("rsyslogd", [program("rsyslogd"), "-n", "-C", "-f", config, "-i", e2e.scratch("rsyslog.pid")] +
                         (["-M", modules] if os.path.isdir(modules) else []))

    def listens(self):
        with open("/proc/net/udp", encoding="ascii") as table:
            return f" 0100007F:{self.port:04X} " in table.read()

    def start(self):
        super().start()
        return until(self.listens)

    def records(self):
        """The messages so far, each a list of seven fields."""
        if not os.path.exists(self.fields):
            return []
        with open(self.fields, encoding="utf-8", errors="replace") as lines:
            return [line.rstrip("\n").split("|", 6) for line in lines if line.endswith("\n")]


PROMETHEUS = """\
global: {{ scrape_interval: 5s, scrape_timeout: 5s }}
scrape_configs:
  - job_name: tain
    static_configs: [ {{ targets: [ "127.0.0.1:{target}" ] }} ]
"""


class Prometheus(Daemon):
    """The real server, with one target."""

    def __init__(self, target):
        self.port = free_port()
        config = e2e.write("prometheus.yml", PROMETHEUS.format(target=target))
        super().__init__("prometheus", [program("prometheus"), f"--config.file={config}", "--log.level=warn",
                                        f"--storage.tsdb.path={e2e.scratch('tsdb')}",
                                        f"--web.listen-address=127.0.0.1:{self.port}"])

    def ask(self, path):
        """The data of one answer of its API; None while there is none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}", timeout=30) as answer:
                return json.load(answer)["data"]
        except (urllib.error.URLError, OSError, ValueError):
            return None

    def query(self, expression):
        """The values of an instant query: {labels: number}."""
        data = self.ask("query?" + urllib.parse.urlencode({"query": expression})) or {"result": []}
        return {tuple(sorted(row["metric"].items())): float(row["value"][1]) for row in data["result"]}

    def value(self, expression):
        """The one value of a query, or None."""
        found = list(self.query(expression).values())
        return found[0] if len(found) == 1 else None


def promtool(text):
    """promtool's judgement of a page of metrics: (whether it is good, what it said)."""
    done = subprocess.run([program("promtool"), "check", "metrics"], input=text, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment())
    return done.returncode == 0, done.stdout


def socat(port, dialogue, seconds=120):
    """What a session with socat shows. @dialogue: pairs of what is waited for and what is typed then; the input ends
    with the last one."""
    child = subprocess.Popen([program("socat"), "-t", str(seconds), "-", f"TCP4:127.0.0.1:{port}"], env=environment(),
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    late = threading.Timer(seconds, child.kill)
    late.start()
    shown, at, rest = "", 0, list(dialogue)
    while data := child.stdout.read1(65536):
        shown += data.decode("utf-8", "replace").replace("\r", "")
        if rest and (found := shown.find(rest[0][0], at)) >= 0:
            at = found + len(rest[0][0])
            child.stdin.write(rest.pop(0)[1].encode())
            child.stdin.flush() if rest else child.stdin.close()
    late.cancel()
    child.wait()
    return shown + ("socat: TIME-OUT" if child.returncode < 0 else "")


def gdb(symbols, port, commands, seconds=240):
    """What the real gdb says to @commands."""
    words = ["gdb", "-nx", "-batch", symbols]
    for command in ["set pagination off", "set confirm off", "set remotetimeout 60", "set width 0",
                    f"target remote 127.0.0.1:{port}"] + commands:
        words += ["-ex", command]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=seconds, check=False)
        return done.stdout.decode("utf-8", "replace")
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"").decode("utf-8", "replace") + "\ngdb: TIME-OUT"
