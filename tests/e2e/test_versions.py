#!/usr/bin/python3
"""Versions of the TDX module: with each of them trust domains come up, do all that they do with the
first one, and every page comes back. The first version's run is test_td.py's."""
import os
import re

import e2e
from e2e import boot, check, theme

GUESTS = ["hello", "smp", "abi", "bad_loop"]
FILES = [(os.path.join(e2e.ROOT, "build", "guests", f"{g}.fd"), rf"\tain\{g}.fd") for g in GUESTS]
# What the module says of itself, by field: what no other version says.
SAYS = {
    "1.5.05": {"MAX_VCPUS_PER_TD": 576, "NUM_CPUID_CONFIG": 18, "TDCS_BASE_SIZE": 0x6000},
    "2.0": {"MAX_VCPUS_PER_TD": 1376, "NUM_CPUID_CONFIG": 28, "TDCS_BASE_SIZE": 0x9000},
    "odd": {"MAX_VCPUS_PER_TD": 13, "NUM_CPUID_CONFIG": 13, "TDCS_BASE_SIZE": 0xb000},
}
DISABLES = ("2.0",)  # has TDH.SYS.DISABLE
# The machine is reset while one TD runs and another is half built; then all the rest.
RESET = ["start bad_loop", "page tdr", "keyid hkid", "tdh mng.create tdr=$tdr hkid=$hkid is SUCCESS", "reboot"]


def pages(text):
    """{owner: pages} of each `memory` that was typed."""
    return [{m[1]: int(m[2]) for m in re.finditer(r"^([a-z-]+) +(\d+) +\d+$", part, re.M)}
            for part in re.findall(r"tain> memory\n(.*?)\ntain> ", text, re.S)]


# Versions with dynamic PAMT.
DYNAMIC = ("2.0", "odd")


def pamt(at, name, b):
    """What `memory` says of the module's page metadata, once all trust domains have gone."""
    text = b.text[b.text.rfind("tain> memory\n"):]
    if name not in DYNAMIC:
        check(at + "memory tells what PAMT takes", re.search(r"^PAMT: static, \d{4,} KiB$", text, re.M), text)
        return
    saved = re.search(r"^PAMT: static it would be (\d+) KiB: saves (\d+) KiB$", text, re.M)
    check(at + "memory tells what dynamic PAMT saves: nearly all",
          saved and int(saved[2]) * 100 > int(saved[1]) * 95, text)
    check(at + "no page pair is left",
          re.search(r"^PAMT: dynamic, \d+ KiB and 0 page pairs of 8 KiB \(0 idle\)", text, re.M), text)
    check(at + "page pairs came and went",
          re.search(r"TDH\.PHYMEM\.PAMT\.ADD +\d", b.text) and
          re.search(r"TDH\.PHYMEM\.PAMT\.REMOVE +\d", b.text), b)


def version(name):
    config = f"[tain]\nmodule = soft:{name}\n"
    for g, keys in (("hello", "attributes = debug\n"), ("smp", "vcpus = 2\n"), ("abi", ""),
                    ("bad_loop", "")):
        config += f"[td {g}]\nfirmware = \\tain\\{g}.fd\nmemory = 32M\n{keys}"
    commands = ["start hello", "wait hello 60", "memory"]
    for g in ("smp", "abi"):
        commands += [f"start {g}", f"wait {g} 60"]
    commands += ["tdx stats", "memory"]
    commands += [f"metadata module {field}" for field in SAYS[name]]
    reset = name in DISABLES
    b = boot(cpus=2, config=config, files=FILES, commands=(RESET if reset else []) + commands,
             timeout=500, extra=["--allow-reboot"] if reset else [])
    at = f"{name}: "

    check(at + "the run ends with 0", b.status == 0, b)
    disabled = len(re.findall("tdx: the module is disabled", b.text))
    check(at + "a module that can be disabled is, whenever the machine is left", disabled == 2 * reset, b)
    if reset:
        check(at + "a reset with TDs running and half built, and everything works again",
              len(re.findall(r"^tain: ready", b.text, re.M)) == 2 and
              b.has("tain: bad_loop: stopped: the hypervisor is leaving") and
              not b.has("stay with the module"), b)
    check(at + "no guest saw anything fail", not b.has(r"^\w+\| FAIL"), b)
    check(at + "hello says hello and goodbye",
          len(re.findall(r"^hello\| (?:hello from a trust domain|goodbye)$", b.text, re.M)) == 2, b)
    check(at + "two vCPUs lost nothing", b.has(r"^smp\| smp: 2 of 2 vCPUs, counter 2000"), b)
    check(at + "each TDCALL and each #VE is as the ABI says", b.has(r"^abi\| abi: all well$"), b)
    for field, value in SAYS[name].items():
        check(at + f"the module's {field} is its own",
              re.search(rf"value: 0x{value:x}$", b.output_of(f"metadata module {field}"), re.M), b)
    mrtd = re.findall(r"^tain: td hello: MRTD ([0-9a-f]{96})$", b.text, re.M)
    told = re.findall(r"^hello\| +MRTD +([0-9a-f]{96})$", b.text, re.M)
    check(at + "the MRTD is the one in hello's reports", len(mrtd) == 1 and mrtd == told, f"{mrtd} {told}")
    pamt(at, name, b)
    counts = pages(b.text)
    check(at + "every page is back where it was",
          len(counts) == 2 and counts[0] and counts[0] == counts[1], f"{counts}")


for known in SAYS:
    with theme(f"version {known} of the module"):
        version(known)
e2e.finish()
