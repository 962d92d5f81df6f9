#!/usr/bin/python3
"""test_net_tools: Tain's network in Bochs, where guests run, and the programs that others use at its other end: rsyslog
takes the log, promtool and Prometheus judge the metrics, socat is the console, gdb holds a guest and a
trust domain, and files come by HTTP and TFTP meanwhile. One boot, one machine, all on loopback addresses.
"""
import hashlib
import http.server
import json
import os
import re
import threading
import urllib.request

import e2e
import net_tools
from e2e import Live, check, theme
from net_tools import until

SECRET = "correct horse battery"
GUESTS = os.path.join(e2e.ROOT, "build", "guests")
FILES = [(os.path.join(GUESTS, name), rf"\tain\{name}") for name in ("stepped.elf", "stepped.fd")]
CONFIG = r"""[tain]
net = dhcp
http = 80
remote = 2323 from 10.0.2.0/24
secret = {secret}
gdb_net = 1234 from 10.0.2.0/24
syslog = 10.0.2.2:{syslog}
start = plain, open

[vm plain]
image = \tain\stepped.elf
memory = 16M

[td open]
firmware = \tain\stepped.fd
memory = 32M
attributes = debug
"""


class Ports:
    """Where this machine reaches Tain."""

    def __init__(self):
        self.http, self.console, self.gdb = (net_tools.free_port() for _ in range(3))

    def words(self):
        pairs = ((self.http, 80), (self.console, 2323), (self.gdb, 1234))
        return [word for here, there in pairs for word in ("--net", f"hostfwd=tcp:127.0.0.1:{here}-:{there}")]


def page(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=120) as answer:
        return answer.read().decode()


def uses(live):
    """The counters of `uses --json` by their names."""
    live.command("uses --json")
    rows = re.findall(r"^(\[?\{.*\}\]?)$", live.text, re.M)
    return {row["what"]: row["count"] for row in json.loads(rows[-1])} if rows else {}


def sequence(records):
    return [int(re.search(r'sequenceId="(\d+)"', record[5])[1]) for record in records]


def log_lines(text):
    """The lines of the log that the console's line showed, without stamps and what stands before them."""
    return re.findall(r"\[ *\d+\.\d{6}\] (?:(?:error|warning): )?(.*)$", text, re.M)


def syslog(live, log, ports):
    """From the first line on, whole; then with a hole that shows."""
    early = [line.strip() for line in log_lines(live.text) if line.strip()]
    until(lambda: set(early) <= {r[6].strip() for r in log.records()})
    sent = uses(live).get("syslog sent", 1 << 30)
    records = until(lambda: (r := log.records()) and len(r) >= sent and r) or log.records()
    shape = re.compile(r'\[meta sequenceId="\d+" sysUpTime="\d+"\]')
    check("rsyslog: every message is one of RFC 5424, from here, with its facility and its data",
          records and all(len(r) == 7 and r[:2] == ["1", "local0"] and r[3:5] == ["tain", "tain"] and
                          shape.fullmatch(r[5]) for r in records), f"{records[:3]} {log.complaint()}")
    said = [r[6].strip() for r in records]
    ticks = [int(re.search(r'sysUpTime="(\d+)"', r[5])[1]) for r in records]
    check("rsyslog: the log from its first line on, from before there was a network, in order",
          early and said and said[0] == early[0] and sequence(records) == list(range(1, len(records) + 1)) and
          ticks == sorted(ticks), f"{early[:3]} {records}")
    check("rsyslog: no line that the console's line showed is missing, and all that was sent came",
          set(early) <= set(said) and len(records) >= sent, f"{sent} {set(early) - set(said)}")
    log.stop()
    shown = net_tools.socat(ports.console, [("secret: ", "this is not the secret\n"), ("wrong\nsecret: ", "")])
    check("socat: a wrong secret is refused", "wrong\nsecret: " in shown and "tain> " not in shown, shown)
    check("rsyslog starts again", log.start(), log.complaint())
    before = len(records)
    shown = net_tools.socat(ports.console, [("secret: ", f"{SECRET}\nguests\nstats plain\nquit\n")])
    check("socat: the right secret opens the console, commands answer",
          re.search(r"^plain +vm +running ", shown, re.M) and re.search(r"^open +td +running ", shown, re.M) and
          re.search(r"^exit .* \d+$", shown, re.M) and "TIME-OUT" not in shown, shown)
    more = until(lambda: any("has the console" in r[6] for r in log.records()[before:]))
    numbers = sequence(log.records())
    hole = sorted(set(range(1, max(numbers) + 1)) - set(numbers)) if numbers else []
    check("rsyslog: what came while it was away shows as a hole in the numbers, and only there",
          more and hole and hole == list(range(hole[0], hole[-1] + 1)) and hole[0] > before, f"{hole} {numbers}")


def metrics(ports):
    """Judged, and taken by the real server."""
    text = page(ports.http, "/metrics")
    good, said = net_tools.promtool(text)
    check("promtool finds nothing to say about the metrics", good and not said.strip(), said)
    server = net_tools.Prometheus(ports.http)
    server.start()
    try:
        check("Prometheus: the target is up", until(lambda: server.value("up") == 1, 120),
              f"{server.ask('targets')} {server.complaint()}")
        check("Prometheus: both guests run",
              until(lambda: sorted(server.query("tain_guest_running").values()) == [1, 1]), server.query("tain_guest_running"))
        check("Prometheus: SEAMCALLs by leaf, a rate of slices",
              until(lambda: (server.value('tain_seamcalls_total{leaf="TDH.VP.ENTER"}') or 0) > 0) and
              until(lambda: (server.value("rate(tain_slices_total[2m])") or 0) > 0), server.query("tain_slices_total"))
        check("Prometheus: all series are there", until(lambda: (server.value('count({__name__=~"tain_.+"})') or 0) > 100),
              server.query('count({__name__=~"tain_.+"})'))
    finally:
        server.stop()


def gdb(live, ports):
    """The real gdb over TCP on both kinds of guests; each goes on after it."""
    live.command("gdb plain")
    out = net_tools.gdb(os.path.join(GUESTS, "stepped.elf"), ports.gdb, [
        "break square", "continue", "print x", "backtrace", "delete", "set var leave = 1", "detach"])
    check("gdb over TCP: a breakpoint in a plain guest, its arguments and its stack",
          re.search(r"Breakpoint 1, square \(x=x@entry=(\d+)\).*?\$1 = \1\n", out, re.S) and
          re.search(r"^#1 .* in one_round ", out, re.M) and "detached]" in out, out)
    check("the plain guest goes on to its end", live.wait(r"^tain: plain: stopped: halted", 120), live.text[-1500:])
    live.command("gdb open")
    out = net_tools.gdb(os.path.join(GUESTS, "td", "stepped.elf"), ports.gdb, [
        "break square", "continue", "info registers rip cr0", "backtrace 3", "delete",
        "set var *(unsigned int*)&leave = 1", "detach"])
    check("gdb over TCP: a breakpoint in the private memory of a debug TD, its registers and its stack",
          re.search(r"Breakpoint 1, 0x0*ffff\w+ in square", out) and re.search(r"^rip +0xffff", out, re.M) and
          re.search(r"^#1 .* in one_round \(\)", out, re.M) and "detached]" in out, out)
    check("the TD goes on to its end", live.wait(r"^tain: open: stopped: powered off", 120), live.text[-1500:])


class Files(http.server.BaseHTTPRequestHandler):
    """One file."""
    content = os.urandom(300_001)

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_):
        pass


def fetch(live, web):
    digest = hashlib.sha256(Files.content).hexdigest()
    for way, url in (("HTTP", f"http://10.0.2.2:{web.server_port}/file"), ("TFTP", "tftp://10.0.2.2/file")):
        live.command(f"fetch {url} sha256={digest}", 240)
        said = live.text.rpartition(f"fetch {url}")[2]
        check(f"a file by {way} while guests run", "error:" not in said and str(len(Files.content)) in said, said)


def main():
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    tftp = e2e.scratch("tftp")
    os.mkdir(tftp)
    e2e.write("tftp/file", Files.content)
    log, ports = net_tools.Rsyslog(), Ports()
    check("rsyslog starts", log.start(), log.complaint())
    live = Live(config=CONFIG.format(secret=SECRET, syslog=log.port), files=FILES, timeout=850,
                extra=["--nic", "e1000", "--net", f"tftp={tftp}"] + ports.words())
    if check("an address by DHCP, and guests at work", live.wait(r"^tain: ready", 400) and
             live.wait(r"net0: IPv4 10\.0\.2\.15,", 120) and live.command("guests"), live.text[-2000:]):
        for name, test in (("syslog", lambda: syslog(live, log, ports)), ("metrics", lambda: metrics(ports)),
                           ("fetch", lambda: fetch(live, web)),
                           ("gdb", lambda: gdb(live, ports))):
            with theme(name):
                test()
    end = live.leave()
    log.stop()
    check("the run ends with 0", end.status == 0, end)


if __name__ == "__main__":
    with theme("net_tools"):
        main()
    e2e.finish()
