#!/usr/bin/env python3
"""Compiles codec for aarch64 with our warnings, and runs its fuzzers over their corpus there.

usage: neon_check.py COMPILER SOURCE_ROOT WORK_FOLDER

COMPILER is a clang; the C++ library is that of Debian's g++-aarch64-linux-gnu. Where one of both is missing the
check is skipped (77); without qemu-aarch64 nothing is run, and that is said.
"""

import glob
import os
import shutil
import subprocess
import sys

FUZZERS = ["ascii", "base64", "body_scan", "crc32c", "data_scan", "dots", "hex", "quoted_printable", "utf8", "uuencode"]
FLAGS = ["--target=aarch64-linux-gnu", "-std=c++20", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror",
         "-Wno-unused-parameter", "-Wno-missing-field-initializers", "-fno-exceptions", "-fno-rtti"]
MUTATIONS_SECONDS = 120


def needs_boringssl(source):
    """No kernels are in there, and a library for aarch64 is not at hand."""
    with open(source, encoding="utf-8") as text:
        return "#include <openssl/" in text.read()


def compile_all(compiler, root, folder):
    include = [f"-I{root}/include", f"-I{root}/src", f"-I{root}/tests"]
    sources = [source for source in sorted(glob.glob(f"{root}/src/codec/*.cc")) if not needs_boringssl(source)]
    sources.append(f"{root}/src/base/check.cc")
    objects = []
    for source in sources:
        objects.append(os.path.join(folder, os.path.basename(source) + ".o"))
        subprocess.run([*compiler, *FLAGS, *include, "-c", source, "-o", objects[-1]], check=True)
    programs = {}
    for name in FUZZERS:
        programs[name] = os.path.join(folder, name + "_fuzz")
        fuzzer = [f"{root}/tests/fuzz/{name}_fuzz.cc", f"{root}/tests/fuzz/replay.cc"]
        subprocess.run([*compiler, *FLAGS, "-Wno-error", "-w", "-static", *include, *fuzzer, *objects,
                        "-o", programs[name]], check=True)
    return programs


def main():
    *compiler, root, folder = sys.argv[1:]
    if "clang" not in " ".join(compiler) or shutil.which("aarch64-linux-gnu-g++") is None:
        print("skipped: no clang, or no C++ library for aarch64")
        return 77
    os.makedirs(folder, exist_ok=True)
    programs = compile_all(compiler, root, folder)
    print("compiled for aarch64")
    qemu = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if qemu is None:
        print("not run: no qemu-aarch64")
        return 0
    for name, program in programs.items():
        done = subprocess.run([qemu, program, f"{root}/tests/fuzz/corpus/{name}"], capture_output=True, text=True,
                              timeout=MUTATIONS_SECONDS, check=False)
        if done.returncode != 0:
            print(f"{name}: exit code {done.returncode}\n{done.stdout[-500:]}{done.stderr[-500:]}")
            return 1
        print(f"{name}: as the definition says")
    return 0


if __name__ == "__main__":
    sys.exit(main())
