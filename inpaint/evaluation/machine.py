"""What a measurement ran on."""

import os
import platform
import sys
from pathlib import Path
from typing import Any


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def describe_machine() -> dict[str, Any]:
    """Processor, cores, threads and versions of what computes, and how busy it was; nothing that names a place."""
    import cv2
    import numba
    import numpy
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(), "cores": cores, "system": f"{platform.system()} {platform.machine()}",
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": {"torch": torch.get_num_threads(), "opencv": cv2.getNumThreads(), "numba": numba.get_num_threads()},
        "versions": {
            "python": sys.version.split()[0], "torch": torch.__version__, "numpy": numpy.__version__,
            "opencv": cv2.__version__, "numba": numba.__version__,
        },
    }  # fmt: skip
