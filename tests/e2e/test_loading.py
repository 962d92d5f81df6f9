#!/usr/bin/python3
"""A module loaded from the stick by the P-SEAMLDR, and replaced under living trust domains; a page that
goes bad; the machine left with trust domains in all states."""
import os
import subprocess

import e2e
from e2e import boot, check, theme

TOOL = os.path.join(e2e.ROOT, "tools", "module-file")
GUESTS = ["hello", "bad_loop", "convert"]
FILES = [(os.path.join(e2e.ROOT, "build", "guests", f"{g}.fd"), rf"\tain\{g}.fd") for g in GUESTS]
VM = ("bad_loop.elf", r"\tain\vm.elf")


def module(name, *words):
    path = e2e.scratch(name)
    subprocess.run([TOOL, *words, path], check=True)
    return path


def loaded_and_replaced():
    first = module("first", "--form", "split", "--svn", "1")
    files = FILES + [(first, r"\tain\first"), (first + ".sigstruct", r"\tain\first.sigstruct"),
                     (module("second", "--form", "v2", "--svn", "2"), r"\tain\second"),
                     (os.path.join(e2e.ROOT, "build", "guests", VM[0]), VM[1])]
    config = "[tain]\nmodule = \\tain\\first\nupdate = \\tain\\second\n"
    config += "".join(f"[td {g}]\nfirmware = \\tain\\{g}.fd\nmemory = {m}\nvcpus = {n}\n"
                      for g, m, n in (("hello", "32M", 1), ("bad_loop", "32M", 1),
                                      ("convert", "48M", 3)))
    config += f"[vm loop]\nimage = {VM[1]}\nmemory = 16M\n"
    commands = ["seamldr", "start hello", "wait hello 60", "memory", "start bad_loop",
                "start convert", "seamldr update", "guests", "seamldr", "wait convert 120",
                "start loop", "start hello", "wait hello 60", "seamldr update", "guests", "stop bad_loop",
                "wait bad_loop 20", "memory", "seamldr load",
                # A page of one TD goes bad; then the machine is left with all kinds of TDs alive.
                "start bad_loop", "inject bad-page bad_loop", "wait bad_loop 20", "guests", "memory",
                "inject bad-page loop", "wait loop 20", "start loop", "start bad_loop", "page tdr",
                "keyid hkid", "tdh mng.create tdr=$tdr hkid=$hkid is SUCCESS",
                "seamldr update", "guests"]
    b = boot(cpus=2, config=config, files=files, commands=commands, timeout=400)

    check("a module file is loaded and brought up", b.has(r"tdx: loaded \\tain\\first: SVN 1") and
          b.has("tain: hello: stopped: powered off"), b)
    check("the P-SEAMLDR says who it is", "module svn" in b.output_of("seamldr"), b)
    check("a module is replaced under living TDs",
          len(b.text.split("replaced: SOFTWARE TDX module")) == 3, b)
    check("its SVN is the new one's", b.text.count("module svn      2") == 1 or b.has(r"module svn\W+2"), b)
    check("they live on and end as they should", b.has("tain: convert: stopped: powered off"), b)
    check("a TD that the old module began, the new one takes down: all pages come back",
          e2e_pages(b), b)
    check("the same TD has the same measurement", len(set(
        line for line in b.text.splitlines() if "td hello: MRTD" in line)) == 1, b)
    check("a plain guest runs on beside it", b.has(r"loop +vm +running"), b)
    check("a machine check in a TD's page ends that TD only", b.has(
        r"machine check on CPU \d: bank \d+, status \w+, page 0x\w+ \(a TD's private memory\)") and
        b.has("tain: bad_loop: dead: machine check in its page at 0x"), b)
    check("and that page is never used again", b.has(r"^leaked +1 "), b)
    check("one in a plain guest's page ends that one",
          b.has("tain: loop: dead: machine check in its page at 0x"), b)
    check("an update is refused while a TD is half built",
          b.has("error: a TD is being built by hand"), b)
    check("the machine is left with TDs running and half built", b.status == 0 and
          b.text.rstrip().endswith("tain: exit 0") and not b.has("crash|stay with the module"), b)
    check("a module in use is not loaded over", b.has("error: a module is in use"), b)


def e2e_pages(b):
    parts = [p.split("\ntain> ")[0] for p in b.text.split("tain> memory\n")[1:]]

    def rows(part):
        return [line.split()[:2] for line in part.splitlines() if line.startswith("tdx-")]
    return len(parts) == 3 and rows(parts[0]) == rows(parts[1]) and len(rows(parts[0])) > 2


with theme("a module from the stick"):
    loaded_and_replaced()
e2e.finish()
