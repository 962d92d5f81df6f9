#!/usr/bin/python3
"""The console as a user types at it: commands, errors, JSON, history, scripts, the exit status."""
import json
import re

import e2e
from e2e import boot, check, theme

COMMANDS = ("help version doctor explain guests start stop wait console info stats trace log cpus "
            "memory status expect check selftest reboot poweroff exit").split()


def as_json(b, command):
    """The value that `command --json` printed, or None."""
    try:
        return json.loads(b.output_of(command).strip())
    except ValueError:
        return None


def answers():
    b = boot(machine="qemu", cpus=2, commands=[
        "help", "help expect", "help inject", "version", "version --json", "cpus --json", "memory --json",
        "memory map --json", "help --json", "guests", "guests --json", "doctor", "doctor --json",
        "stats --json", "log 3", "echo one \"two  three\" # four", "explain 0xc000010000000045 21",
        "explain 0xc000092100000122 33", "explain 0", "trace 3", "selftest", "check"])
    listed = b.output_of("help")
    for name in COMMANDS:
        check(f"help lists {name}", re.search(rf"^{name}\b", listed, re.M), listed)
    check("help COMMAND shows its arguments", "expect NAME TEXT SECONDS" in b.output_of("help expect"), b)
    check("long help is not cut", b.output_of("help inject").endswith("inject tdh off: none."), b)
    version = as_json(b, "version --json")
    check("version --json is a record that names VMX's absence",
          version and "VMX" in version.get("vmx", ""), b)
    cpus = as_json(b, "cpus --json")
    check("cpus --json has a row for each CPU, all online",
          cpus and len(cpus) == 2 and all(c["online"] for c in cpus), b)
    memory = as_json(b, "memory --json")
    check("memory --json counts pages by owner, free ones most",
          memory and max(memory, key=lambda m: m["pages"])["owner"] == "free", b)
    total = sum(m["pages"] for m in memory or []) * 4096
    check("all pages together are the machine's memory", 900 << 20 < total <= 1 << 30, str(total))
    areas = as_json(b, "memory map --json")
    check("memory map --json ascends without overlap", areas and all(
        int(a["end"], 16) <= int(c["base"], 16) for a, c in zip(areas, areas[1:])), b)
    check("help --json lists the same commands",
          set(COMMANDS) <= {c["command"] for c in as_json(b, "help --json") or []}, b)
    check("without tain.cfg there are no guests",
          "no guests" in b.output_of("guests") and as_json(b, "guests --json") == [], b)
    doctor = {row["check"]: row for row in as_json(b, "doctor --json") or []}
    check("doctor says that VMX is missing, and what follows",
          doctor.get("vmx", {}).get("verdict") == "FAIL" and doctor["vmx"]["advice"], b)
    check("doctor finds no fault where there is none",
          doctor.get("cpus", {}).get("verdict") == "ok" and
          doctor.get("memory", {}).get("verdict") == "ok", b)
    check("log N shows the last N lines", len(b.output_of("log 3").strip().splitlines()) == 3, b)
    check("quotes keep blanks, # ends a line",
          b.output_of("echo one \"two  three\" # four") == "one two  three", b)
    check("explain names code, operand and leaf", all(w in b.output_of("explain 0xc000010000000045 21")
          for w in ("OPERAND_INVALID", "CPUID_CONFIG", "TDH.MNG.INIT")), b)
    check("explain names the MSR", "0x122" in b.output_of("explain 0xc000092100000122 33") and
          "INCORRECT_MSR_VALUE" in b.output_of("explain 0xc000092100000122 33"), b)
    check("explain 0 is success", "SUCCESS" in b.output_of("explain 0"), b)
    check("no command of these failed", "error:" not in b.text.split("tain: ready")[1], b)
    check("and exit is 0", b.status == 0, b)


def mistakes():
    wrong = ["nonsense", "help nonsense", "start", "start nobody", "stop nobody", "wait nobody 1",
             "info nobody", "console nobody", "expect nobody text 1", "explain", "explain zebra",
             "memory lane", "log level loud", "log -1", "exit 256", "exit soon", "echo \"open",
             "version --yaml", "start --json x", "status NO_SUCH_STATUS", "sleep soon", "trace x y z"]
    b = boot(machine="qemu", commands=wrong + ["-nonsense", "echo still here", "exit 0"])
    for command in wrong:
        lines = b.output_of(command).strip().splitlines()
        check(f"`{command}` is one line that begins with error:",
              len(lines) == 1 and lines[0].startswith("error: "), "\n".join(lines))
    check("the console lives on", b.output_of("echo still here") == "still here", b)
    check("a typed mistake is no failure of the run", b.status == 0, b)


def editing():
    keys = ["ech0\x7fo edited", "vers\t", "\x10", "\x10\x10\x10", "garbage\x03", "nonsense\x15echo \"a b\"",
            "echo back\x01\x1b[C\x05ward"]
    b = boot(machine="qemu", commands=keys)
    plain = b.text
    check("backspace mends a word", re.search(r"^edited$", plain, re.M), b)
    check("Tab completes a command", len(re.findall(r"^tain: 0\.", plain, re.M)) >= 2, b)
    check("^P brings the last line back", len(re.findall(r"^edited$", plain, re.M)) == 2, b)
    check("^C drops a line", "no command 'garbage'" not in plain, b)
    check("^U drops what stands before", re.search(r"^a b$", plain, re.M), b)
    check("arrows and ^A ^E move", re.search(r"^backward$", plain, re.M), b)


def scripted(name, script, config="[tain]\nscript = \\tain\\boot.txt\n", commands=()):
    return boot(machine="qemu", config=config, commands=commands,
                files=[(e2e.write(name, script), r"\tain\boot.txt")] if script is not None else [])


def scripts():
    b = scripted("good.txt", "# a remark\r\necho from the script\r\n\r\n-nonsense\necho last\n")
    check("a script runs before tain: ready", b.text.find("from the script") < b.text.find("tain: ready"), b)
    check("-COMMAND ignores a failure", b.has(r"^last$") and b.status == 0, b)
    b = scripted("bad.txt", "echo one\nnonsense\necho two\n")
    check("a failing command stops the script, with its line",
          b.has(r"^one$") and not b.has(r"^two$") and b.has(r"script .*line 2"), b)
    check("the console comes up nevertheless", b.has(r"^tain: ready$"), b)
    check("and exit is 1", b.status == 1, b)
    b = scripted("exit.txt", "exit 9\n")
    check("a script may exit", b.status == 9 and not b.has(r"^tain: ready$"), b)
    b = scripted("need.txt", "need vmx\necho not here\n", commands=["need vmx"])
    check("need ends a script as a success", not b.has(r"^not here$") and b.has("script ends here"), b)
    check("typed, need is a check that fails", b.status == 1, b)
    b = scripted("none", None)
    check("a missing script is told with its line and fails the run",
          b.has(r"tain\.cfg:2: script: .*no such file") and b.status == 1 and
          b.has(r"^tain: ready$"), b)


def reboot_and_poweroff():
    b = boot(machine="qemu", commands=["poweroff"], timeout=60)
    check("poweroff ends the machine", b.text.count("tain: ready") == 1 and b.status in (0, 126), b)


def main():
    for test in (answers, mistakes, editing, scripts, reboot_and_poweroff):
        with theme(test.__name__):
            test()
    e2e.finish()


if __name__ == "__main__":
    main()
