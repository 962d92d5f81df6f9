#!/usr/bin/python3
"""Firmware images of trust domains that are wrong in one way each: one line names image, section and
reason, that guest is refused, the good one beside them runs, and no page is lost."""
import os
import re
import struct

import e2e
from e2e import boot, check, theme, write

HELLO = os.path.join(e2e.ROOT, "build", "guests", "hello.fd")
GUID = bytes.fromhex("f3f9eae98e16d544a8eb7f4d8738f6ae")


def changed(image, section, **fields):
    """The image with fields of one TDVF section replaced."""
    names = ("offset", "raw", "gpa", "size", "type", "attributes")
    at = image.rfind(GUID) + 32 + 32 * section
    values = dict(zip(names, struct.unpack_from("<IIQQII", image, at)))
    values.update(fields)
    out = bytearray(image)
    struct.pack_into("<IIQQII", out, at, *(values[n] for n in names))
    return bytes(out)


def sections(image):
    at = image.rfind(GUID) + 16
    count = struct.unpack_from("<I", image, at + 12)[0]
    return [struct.unpack_from("<IIQQII", image, at + 16 + 32 * i) for i in range(count)]


def bad_images(hello):
    table = sections(hello)
    hob = next(i for i, s in enumerate(table) if s[4] == 2)
    other = next(i for i, s in enumerate(table) if i != hob)
    return {
        "empty": (b"", "empty"),
        "cut": (hello[:-100], "not whole pages"),
        "front": (hello[:4096], "no TDVF metadata"),
        "large": (hello + bytes((64 << 20) + 4096 - len(hello)), "64 MiB"),
        "none": (bytes(65536), "no TDVF metadata"),
        "version": (hello.replace(b"TDVF", b"TDVX"), "no descriptor"),
        "align": (changed(hello, hob, gpa=table[hob][2] + 1), rf"section {hob} \(TD_HOB\): .*aligned"),
        "overlap": (changed(hello, hob, gpa=table[other][2]), "overlap"),
        "wrap": (changed(hello, hob, size=2**64 - 4096), rf"section {hob} \(TD_HOB\): .*wraps"),
        "beyond": (changed(hello, other, raw=4096, offset=len(hello) - 1),
                   rf"section {other} .*(beyond the image|must not have data)"),
        "outside": (changed(hello, hob, gpa=1 << 33), rf"section {hob} \(TD_HOB\): .*not in the guest"),
        "type": (changed(hello, hob, type=77), rf"section {hob}: unknown type 77"),
    }


def refused_by_name():
    with open(HELLO, "rb") as f:
        bad = bad_images(f.read())
    config = "[tain]\nstart = " + ", ".join(bad) + ", good\n"
    for name in bad:
        config += f"[td {name}]\nfirmware = \\tain\\{name}.fd\nmemory = 32M\n"
    config += "[td good]\nfirmware = \\tain\\hello.fd\nmemory = 32M\n"
    files = [(write(f"{n}.fd", content), rf"\tain\{n}.fd") for n, (content, _) in bad.items()]
    b = boot(config=config, files=files + [(HELLO, r"\tain\hello.fd")], memory=640,
             commands=["wait good 20", "guests", "memory"])
    for name, (_, reason) in bad.items():
        check(f"image '{name}' is refused: {reason}",
              b.has(rf"^tain: {name}: refused: .*{reason}") or
              b.has(rf"{name}.*{reason}"), b)
    check("the good one runs all the same", b.has(r"^good\| goodbye"), b)
    check("nothing is left with the module",
          not re.search(r"^tdx-(control|sept|private) +[1-9]", b.output_of("memory") or "tdx-sept 1",
                        re.M), b)
    check("the run ends in order", b.has(r"^tain: exit \d+$"), b)


with theme("bad images of trust domains"):
    refused_by_name()
e2e.finish()
