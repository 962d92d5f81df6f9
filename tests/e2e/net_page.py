#!/usr/bin/python3
"""net_page: the status pages in a real browser (Chromium, `make browser`), of a machine in Bochs with guests in
all states: what the browser made of them, and pictures on a desk's and a telephone's width, light and dark.

Part of `make test-long`. With --docs the pictures go to docs/, where network-uses.md shows them.
"""
import html.parser
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import urllib.request
import zlib

import e2e
import net_tools
from e2e import Live, check, theme

BROWSER = os.path.join(e2e.ROOT, "build", "browser")
GUESTS = os.path.join(e2e.ROOT, "build", "guests")
FILES = [(os.path.join(GUESTS, name), rf"\tain\{name}") for name in ("plain.elf", "hello.fd", "stepped.elf", "stepped.fd")]
CONFIG = r"""[tain]
net = dhcp
http = 80
start = mail, hello, web, vault, far

[vm mail]
image = \tain\plain.elf
memory = 16M

[td hello]
firmware = \tain\hello.fd
memory = 32M

[vm web]
image = \tain\stepped.elf
memory = 16M

[td vault]
firmware = \tain\stepped.fd
memory = 64M
vcpus = 2

[td far]
firmware = \tain\nothing.fd
memory = 64M
"""
STATES = {"mail": "stopped", "hello": "stopped", "web": "running", "vault": "running", "far": "refused"}
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
<dir>{browser}/usr/share/fonts</dir><cachedir>{cache}</cachedir>
<alias><family>sans-serif</family><prefer><family>DejaVu Sans</family></prefer></alias>
<alias><family>system-ui</family><prefer><family>DejaVu Sans</family></prefer></alias></fontconfig>
"""


def browse(url, *words):
    """One run of the browser without a screen; what it printed. It can reach nothing but 127.0.0.1."""
    fonts = e2e.write("fonts.conf", FONTS.format(browser=BROWSER, cache=e2e.scratch("fonts")))
    library = os.path.join(BROWSER, "usr", "lib", "x86_64-linux-gnu")
    env = dict(net_tools.environment(), FONTCONFIG_FILE=fonts, HOME=e2e.scratch("home"),
               LD_LIBRARY_PATH=f"{library}:{library}/pulseaudio:{BROWSER}/lib/x86_64-linux-gnu")
    port = re.search(r":(\d+)/", url)[1]
    done = subprocess.run(
        [os.path.join(BROWSER, "usr", "lib", "chromium", "chromium"), "--headless=new", "--no-sandbox", "--disable-gpu",
         "--no-first-run", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
         f"--explicitly-allowed-ports={port}", f"--user-data-dir={e2e.scratch('profile')}", *words, url],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, timeout=300, check=False)
    return done.stdout.decode("utf-8", "replace")


class Page(html.parser.HTMLParser):
    """What stands in the browser's document: rows of the tables by their cells, facts by their names."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.facts, self.foreign = [], [], []
        self.path, self.name = [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.foreign += [value for name, value in attrs if name in ("src", "href") and
                         not (value or "").startswith(("/", "data:,"))] + [tag] * (tag == "script")
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")
        self.path.append(tag)

    def handle_endtag(self, tag):
        while self.path and self.path.pop() != tag:
            pass

    def handle_data(self, data):
        here = self.path[-1:] and self.path[-1]
        if here == "td":
            self.rows[-1][-1] += data
        elif here == "span" and "div" in self.path:
            self.name = data
        elif here == "b" and self.name:
            self.facts.append((self.name, data))


def read_png(path):
    """(width, height, colour of the first pixel) of a picture."""
    with open(path, "rb") as file:
        data = file.read()
    width, height = struct.unpack("!II", data[16:24])
    packed, at = b"", 8
    while at < len(data):
        size, kind = struct.unpack("!I4s", data[at:at + 8])
        packed += data[at + 8:at + 8 + size] if kind == b"IDAT" else b""
        at += 12 + size
    # Whatever its filter, a picture's first pixel is stored as it is.
    return width, height, zlib.decompress(packed)[1:4].hex()


PICTURES = (("status-wide", (1000, 620), "ffffff", []),
            ("status-phone", (500, 900), "ffffff", ["--force-device-scale-factor=1.28"]),
            ("status-dark", (1000, 620), "14181c", ["--blink-settings=preferredColorScheme=0"]))


def pictures(base):
    """On a desk and on a telephone (390 points wide), light and dark."""
    for name, size, paper, words in PICTURES:
        path = e2e.scratch(f"{name}.png")
        browse(f"{base}/", f"--window-size={size[0]},{size[1]}", f"--screenshot={path}", *words)
        seen = read_png(path) if os.path.exists(path) else None
        check(f"{name}: a picture with something on it", seen and seen[0] >= size[0] and seen[2] == paper and
              os.path.getsize(path) > 15000, f"{seen}")
        if "--docs" in sys.argv and paper == "ffffff":
            shutil.copyfile(path, os.path.join(e2e.ROOT, "docs", "images", f"{name}.png"))


def documents(base):
    page = Page(browse(f"{base}/", "--dump-dom"))
    shown = {row[0]: row[1] for row in page.rows if len(row) == 7}
    check("the browser's overview has the guests in their states", shown == STATES, page.rows)
    check("it needs no script and nothing from elsewhere", page.rows and not page.foreign, page.foreign)
    with urllib.request.urlopen(f"{base}/status", timeout=120) as answer:
        state = json.load(answer)
    page = Page(browse(f"{base}/counters", "--dump-dom"))
    names = {name for name, _ in page.facts} | {row[0] for row in page.rows if row}
    wanted = {re.sub(r"^(TDH\.[A-Z0-9.]+) .*", r"\1", name) for part in [state["machine"], state["network"]] +
              [guest["stats"] for guest in state["guests"]] for name in part}
    check("the browser's page of counters has them all", len(wanted) > 80 and wanted <= names, wanted - names)


def main():
    port = net_tools.free_port()
    live = Live(cpus=2, memory=640, config=CONFIG, files=FILES, timeout=850,
                extra=["--nic", "e1000", "--net", f"hostfwd=tcp:127.0.0.1:{port}-:80"])
    if check("guests at work, and an address", live.wait(r"^tain: ready", 400) and
             live.wait(r"net0: IPv4 10\.0\.2\.15,", 120) and live.wait(r"^tain> ", 60) and live.command("wait hello 60"),
             live.text[-2000:]):
        for test in (documents, pictures):
            with theme(test.__name__):
                test(f"http://127.0.0.1:{port}")
    end = live.leave()
    check("the run ends with 0", end.status == 0, end)


if __name__ == "__main__":
    with theme("net_page"):
        main()
    e2e.finish()
