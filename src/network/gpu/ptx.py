#!/usr/bin/env python3
"""Make kernels.ptx of kernels.cu, and see that it needs no memory for registers on the cards of five years.

    python3 src/network/gpu/ptx.py

Needs what requirements.txt beside it names: NVRTC, whose version decides how old a driver may be (12.1: driver 530), and
ptxas, which must know the newest card. No GPU.
"""

import ctypes
import hashlib
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
OPTIONS = [b"--gpu-architecture=compute_80", b"-std=c++17"]
CARDS = ("sm_80", "sm_86", "sm_90", "sm_100")


def nvidia(part):
    return Path(next(iter(find_spec("nvidia").submodule_search_locations))) / part


def compiled(source):
    nvrtc = ctypes.CDLL(str(next(nvidia("cuda_nvrtc/lib").glob("libnvrtc.so*"))))
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, b"kernels.cu", 0, None, None)
    failed = nvrtc.nvrtcCompileProgram(program, len(OPTIONS), (ctypes.c_char_p * len(OPTIONS))(*OPTIONS))

    def text(what):
        getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        getattr(nvrtc, f"nvrtcGet{what}")(program, buffer)
        return buffer.value.decode()

    if failed:
        sys.exit(text("ProgramLog"))
    return text("PTX")


def check(path):
    for card in CARDS:
        command = [nvidia("cuda_nvcc/bin/ptxas"), f"-arch={card}", "-v", path, "-o", "/dev/null"]
        told = subprocess.run(command, check=True, text=True, stderr=subprocess.PIPE).stderr
        spills = [int(n) for n in re.findall(r"(\d+) bytes spill", told)]
        if not spills or any(spills):
            sys.exit(f"{card} spills:\n{told}")
        most = max(int(n) for n in re.findall(r"Used (\d+) registers", told))
        print(f"{card}: {len(spills) // 2} kernels, no spill, at most {most} registers")


def main():
    source = (HERE / "kernels.cu").read_bytes()
    path = HERE / "kernels.ptx"
    path.write_text(f"// sha256 of kernels.cu: {hashlib.sha256(source).hexdigest()}\n{compiled(source)}")
    check(path)


if __name__ == "__main__":
    main()
