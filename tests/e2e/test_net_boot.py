#!/usr/bin/python3
"""test_net_boot: a machine whose stick holds nothing but where to ask: configuration, TDX module, the image of
a trust domain and that of a plain guest come over the network, in Bochs, from servers on this machine. Then
guests are followed, and one is typed to, over TCP.
"""
import hashlib
import os
import re
import subprocess

import e2e
from e2e import check, theme
from file_servers import Http, Tftp
from test_net_uses import Console, SECRET, free_port

TOOL = os.path.join(e2e.ROOT, "tools", "module-file")
GUESTS = os.path.join(e2e.ROOT, "build", "guests")


def content(name):
    with open(os.path.join(GUESTS, name), "rb") as image:
        return image.read()


def module(name, *words):
    """The bytes of a module file, and of its signature if that is apart."""
    path = e2e.scratch(name)
    subprocess.run([TOOL, *words, path], check=True)
    parts = [path] + ([path + ".sigstruct"] if os.path.exists(path + ".sigstruct") else [])
    return [open(part, "rb").read() for part in parts]


def digest(data):
    return f"sha256={hashlib.sha256(data).hexdigest()}"


def far_console(port):
    """Lines of guests, and one's console, on a connection. What each step said; None where it did not."""
    con, said = Console(port), {}
    con.wait("secret: ")
    con.line(SECRET)
    said["login"] = con.wait("tain> ")
    for name, line, word in (("follow", "follow all", "tain> "), ("start", "start inj", "inj| injected: ready"),
                             ("attach", "console inj", "~. leaves]\n"), ("key", "l", " irq "),
                             ("leave", "~.", "[console of inj: left]")):
        con.line(line)
        said[name] = con.wait(word, 120)
    for line in ("stop inj", "follow off", "follow", "quit"):
        con.line(line)
    con.wait("what never comes", 120)
    said["rest"] = con.text
    return said


def everything_by_network():
    hello, plain = content("hello.fd"), content("plain.elf")
    first, signature = module("first", "--form", "split", "--svn", "1")
    (second,) = module("second", "--form", "v2", "--svn", "2")
    web = Http({"/plain": plain, "/inj": content("injected.elf"), "/first": first, "/first.sigstruct": signature, "/second": second})
    tftp = Tftp({"hello.fd": hello})
    rack = (f"[tain]\nstart = plain, hello\n[td hello]\nfirmware = {tftp.at}/hello.fd {digest(hello)}\nmemory = 32M\n"
            f"[vm plain]\nimage = {web.at}/plain {digest(plain)}\nmemory = 16M\n").encode()
    tftp.files["rack7.cfg"] = rack
    web.files["/more.cfg"] = (f"[vm again]\nimage = {web.at}/plain\nmemory = 16M\n[tain]\nstart = again\n"
                              f"[vm inj]\nimage = {web.at}/inj\nmemory = 16M\n").encode()
    web.files["/bad.cfg"] = b"[vm other]\nimage = http://h/x\nmemory = 1\n[tain]\nremote = 2323 from 0.0.0.0/0\n"
    config = (f"[tain]\nnet = dhcp\nnic = 52:54:00:12:34:56\nconfig = {tftp.at}/rack7.cfg {digest(rack)}\nmodule = {web.at}/first {digest(first)}\n"
              f"update = {web.at}/second {digest(second)}\n"
              f"remote = 2323 from 10.0.2.0/24\nsecret = {SECRET}\nstart = gone\n[vm gone]\nimage = \\tain\\gone\n")
    commands = ["wait hello 120", "wait plain 60", "seamldr", "config --json",
                f"config {web.at}/bad.cfg", f"config {web.at}/more.cfg sha256={'0' * 64}",
                f"config {web.at}/more.cfg", "expect again good-bye 60", "wait again 60", "guests",
                f"seamldr update {web.at}/second sha256={'0' * 64}", f"seamldr check {web.at}/first", "seamldr update",
                "start hello", "wait hello 120", "seamldr"]
    port = free_port()
    live = e2e.Live(config=config, timeout=400, extra=["--nic", "e1000", "--net", f"hostfwd=tcp:127.0.0.1:{port}-:2323"])
    live.wait(r"^tain: ready$")
    live.wait(r"^tain> \Z")
    for command in commands:
        live.command(command, 180)
    said = far_console(port)
    b = live.leave()

    check("the configuration comes by TFTP, and its guests are the ones that are started",
          b.has(r"config: tftp://10\.0\.2\.2:\d+/rack7\.cfg: guests defined: 2, to be started: 2") and
          "gone: running" not in b.text, b)
    check("the module comes by HTTP with its signature beside it, and is brought up",
          b.has(r"tdx: loaded http://10\.0\.2\.2:\d+/first: SVN 1") and
          b.text.find("tdx: loaded") < b.text.find("tain: ready"), b)
    check("a trust domain whose image came by TFTP runs to its end", b.has("tain: hello: stopped: powered off"), b)
    check("a plain guest whose image came by HTTP runs to its end", b.has("tain: plain: stopped: halted") and
          b.has(r"fetch: plain: http\S+: \d+ bytes in \d+ ms, sha256 \w+ as given"), b)
    check("a configuration with mistakes is refused as a whole, each mistake with its line",
          b.has(r"bad\.cfg:3: \[vm other\] memory: 1 is outside") and
          b.has(r"bad\.cfg:5: remote is not taken from the network") and
          b.has("^error: 2 mistakes: nothing of it is used$") and " other " not in b.output_of("guests"), b)
    check("one with another hash, too", "its SHA-256 is not the one that was given" in
          b.output_of(f"config {web.at}/more.cfg sha256={'0' * 64}"), b)
    check("a configuration at the console adds its guest and starts it", b.has("tain: again: stopped: halted"), b)
    check("what the stick has defined is still there", re.search(r"^gone +vm +refused", b.output_of("guests"), re.M), b)
    check("a module with another hash is not taken", "its SHA-256 is not the one" in
          b.output_of(f"seamldr update {web.at}/second sha256={'0' * 64}"), b)
    check("a module from the network replaces the one in use", b.has("^replaced: SOFTWARE TDX module") and
          b.text.rstrip().partition("replaced: ")[2].count("module svn: 2") == 1, b)
    check("a module is looked at without being loaded", "first: SVN 1" in b.output_of(f"seamldr check {web.at}/first"), b)
    check("a trust domain runs under it, its image not fetched again",
          b.text.count("tain: hello: stopped: powered off") == 2 and b.text.count("fetch: hello: ") == 1, b)
    check("a guest's lines come over TCP, too", said["start"] is not None and
          b.has(r"^inj\| injected: ready"), said)
    check("its console takes keys from there, and gives them back", said["attach"] is not None and
          said["key"] is not None and said["leave"] is not None, said)
    check("nothing is followed once that is ended", re.search(r"^inj +no", said["rest"], re.M), said)
    check("what was refused counts", b.status == 1, b)


def linux_by_network():
    """Stock kernels by HTTP, a plain guest's and a trust domain's; the initrd that both name by TFTP, once."""
    kernel, other, initrd = content("debian12-vmlinuz"), content("debian13-vmlinuz"), content("linux-initrd.gz")
    web, tftp = Http({"/vmlinuz": kernel, "/vmlinuz-td": other}), Tftp({"initrd": initrd})
    common = f"initrd = {tftp.at}/initrd {digest(initrd)}\nmemory = 256M\ncmdline = console=ttyS0 panic=-1 quiet\n"
    config = (f"[tain]\nnet = dhcp\nstart = plain, sealed\n[vm plain]\nkernel = {web.at}/vmlinuz {digest(kernel)}\n{common}"
              f"[td sealed]\nkernel = {web.at}/vmlinuz-td {digest(other)}\nattributes = sept-ve-disable\n{common}")
    commands = []
    for name in ("plain", "sealed"):
        commands += [f'expect {name} "/ #" 400', f'type {name} "echo got-$((6*7))"', f"expect {name} got-42 60",
                     f'type {name} "poweroff -f"', f"wait {name} 60"]
    b = e2e.boot(config=config, memory=1024, timeout=1500, extra=["--nic", "e1000"], commands=commands)
    for name, what in (("plain", "a plain guest"), ("sealed", "a trust domain")):
        check(f"a stock kernel that came by HTTP runs as {what}", b.has(rf"^{name}\| got-42$") and
              b.has(f"^tain: {name}: stopped: powered off"), b)
    check("a file that two name comes once", b.status == 0 and
          len(re.findall(r"fetch: \w+: \S+/initrd: \d+ bytes", b.text)) == 1, b)
    for line in re.findall(r"fetch: .*", b.text):
        print(line)


if __name__ == "__main__":
    with theme("everything by network"):
        everything_by_network()
    if os.environ.get("TAIN_LONG"):
        with theme("Linux by network"):
            linux_by_network()
    e2e.finish()
