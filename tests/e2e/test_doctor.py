#!/usr/bin/python3
"""What this machine can do: doctor, explain, the report, and a bring-up that asks or only looks."""
import json
import re

import e2e
from e2e import Live, boot, check, theme

SECTIONS = ("machine", "doctor", "seam", "bringup", "msrs", "cpuid", "memory", "dimms")


def sections_of(text):
    """The report's block as {name: value}, with "log" as a list of lines; None without its marks."""
    found = re.search(r"^-----BEGIN TAIN REPORT-----\r?\n(.*?)^-----END TAIN REPORT-----", text, re.M | re.S)
    if not found:
        return None
    out = {"log": []}
    for line in found[1].splitlines():
        name, mark, rest = line.rstrip("\r").partition(": ")
        if line.startswith("log| "):
            out["log"].append(line[5:])
        elif mark and name in SECTIONS:
            out[name] = json.loads(rest)
    return out


def only_looks():
    """QEMU's TCG: no Intel processor, no VMX, SMBIOS and MADT there; bringup = probe."""
    b = boot(machine="qemu", cpus=3, config="[tain]\nbringup = probe\n", commands=[
        "doctor", "doctor --json", "doctor vmx", "doctor nonsense", "doctor all", "report",
        "selftest", "explain exit 48 0x181", "explain ghci MapGPA 1", "explain exit zebra", "tdx retry"])
    shown = b.output_of("doctor").strip().splitlines()
    check("the verdict stands on top", shown[0].startswith("this machine cannot have TDX: "), b)
    check("the screen is one screen", len(shown) <= 25 and max(map(len, shown[1:])) < 80,
          f"{len(shown)} lines\n" + "\n".join(shown))
    rows = {row["check"]: row for row in json.loads(b.output_of("doctor --json"))}
    check("--json has the verdict and all rows", rows["verdict"]["expected"] == "never" and len(rows) > 30, b)
    check("without VMX the row says what was found, expected and next", rows["vmx"]["verdict"] == "FAIL" and
          all(rows["vmx"][k] for k in ("finding", "expected", "advice")), str(rows["vmx"]))
    check("what follows is skipped and names its cause", rows["seamrr"]["verdict"] == "skipped" and
          rows["seamrr"]["because"] == "cpu", str(rows["seamrr"]))
    check("SMBIOS is read: maker and memory modules", "QEMU" in rows["platform"]["finding"] and
          "1024 MiB" in rows["dimms"]["finding"], b)
    check("the MADT's CPUs are those that run", "3 online, as the MADT lists" in rows["cpus"]["finding"], b)
    check("`doctor ROW` shows that row alone", b.output_of("doctor vmx").startswith("vmx "), b)
    check("`doctor all` shows every row", all(re.search(rf"^{re.escape(r)} ", b.output_of("doctor all"), re.M)
                                              for r in rows if r != "verdict"), b)
    check("an unknown row is an error", b.output_of("doctor nonsense").startswith("error: no row"), b)
    report = sections_of(b.text)
    check("the report has its sections, each valid JSON", report and all(s in report for s in SECTIONS), b)
    check("the doctor in the report is the doctor", report and len(report["doctor"]) == len(rows), b)
    check("probe made no SEAMCALL of a bring-up", report and report["bringup"] == [] and
          b.has(r"not brought up, by bringup = probe"), b)
    check("the log is in the report", report and any("machine: 3 CPUs" in line for line in report["log"]), b)
    tested = b.output_of("selftest")
    check("selftest says what it could not try, and that the rest is good",
          re.search(r"^not tried: 8: .*VMX", tested, re.M) and
          re.search(r"^good as far as it was tried in .* 13 passed, 0 failed", tested, re.M), tested)
    check("explain decodes an exit", "read of a page that is not present" in
          b.output_of("explain exit 48 0x181"), b)
    check("explain decodes a TDVMCALL's answer", "RETRY" in b.output_of("explain ghci MapGPA 1"), b)
    check("a mistake says what was expected", "error: expected: explain exit REASON" in
          b.output_of("explain exit zebra"), b)
    check("tdx retry does not start what was not to be", b.output_of("tdx retry").startswith("error: "), b)
    check("and exit is 0", b.status == 0, b)


def self_tested(b):
    """The built-in VM and TD, once well and twice with a module that refuses."""
    b.command("selftest", 180)
    check("selftest tries all rooms in less than a minute, without a file",
          re.search(r"^good in \d{1,4} ms: 21 passed, 0 failed", b.text, re.M), b.text[-4000:])
    b.command("inject tdh MNG.INIT c000010000000045")
    b.command("selftest", 180)
    check("a module that refuses the TD is told", re.search(
        r"^a trust domain is built and measured +no +TDH\.MNG\.INIT: ", b.text, re.M) and
        re.search(r"^not tried: 3: no trust domain", b.text, re.M) and
        re.search(r"^NOT GOOD in .* 1 failed", b.text, re.M) and
        re.search(r"^error: 1 promises are broken", b.text, re.M), b.text[-4000:])
    b.command("inject tdh any busy times=0")
    b.command("selftest", 180)
    check("so is a module that does not answer", re.search(
        r"^every CPU's SEAMCALL is answered +no +2 of 2 CPUs", b.text, re.M), b.text[-4000:])
    b.command("inject tdh off")
    b.command("check")
    check("and nothing is lost by it", re.search(r"^no page is lost +yes", b.text, re.M) and
          re.search(r"^no page is leaked +yes", b.text, re.M), b.text[-3000:])


def asks_first():
    """Bochs, bringup = step: yes, no, then all."""
    b = Live(machine="bochs", cpus=2, config="[tain]\nbringup = step\n")
    check("the first step that changes something is asked for", b.wait(r"next is SYS\.INIT: .*Go on\?"), b.text)
    b.type("y")
    check("then the next one", b.wait(r"next is LP\.INIT: .*Go on\?"), b.text)
    b.type("n")
    check("a no stops there, and the console comes up", b.wait(r"^tain: ready") and
          "LP.INIT: stopped before it, as asked" in b.text, b.text)
    b.wait(r"^tain> \Z")
    b.type("tdx retry\r")
    check("tdx retry goes on where it stopped: SYS.INIT was done", b.wait(r"next is (LP|SYS)\.INIT"), b.text)
    b.type("a")
    check("and `a` takes all that follow", b.wait(r"tdx: SOFTWARE TDX module .* 1\.5\.01"), b.text)
    b.wait(r"^tain> \Z")
    b.command("doctor --json")
    b.command("report", 120)
    self_tested(b)
    end = b.leave()
    rows = {row["check"]: row for row in json.loads(re.search(r"^\[\{\"check\".*$", end.text, re.M)[0])}
    check("Bochs has VMX, and no SEAM: never, and the software module stands in",
          rows["vmx"]["verdict"] == "ok" and rows["seam"]["verdict"] == "FAIL" and
          rows["verdict"]["expected"] == "never" and rows["tdx module"]["verdict"] == "note" and
          "SOFTWARE" in rows["tdx module"]["finding"], str(rows))
    report = sections_of(end.text)
    leaves = {row["leaf"]: row for row in (report or {}).get("bringup", [])}
    check("the report has the SEAMCALLs of the bring-up, with status and time",
          leaves.get("TDH.SYS.CONFIG", {}).get("status") == "0x0" and
          leaves["TDH.SYS.CONFIG"]["ticks"] > 0 and "TDH.SYS.TDMR.INIT" in leaves, str(leaves))
    check("exit is 1: a selftest failed", end.status == 1, end)


def main():
    for test in (only_looks, asks_first):
        with theme(test.__name__):
            test()
    e2e.finish()


if __name__ == "__main__":
    main()
