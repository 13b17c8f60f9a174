#!/usr/bin/env python3
"""The rows of src/codec/README.md out of a run of codec_bench.

usage: codec_bench --benchmark_enable_random_interleaving=true --benchmark_repetitions=9 \\
         --benchmark_min_time=0.05 --benchmark_format=json > run.json
       table.py run.json...

For each benchmark: median rate in GB (10^9 octets of input) a second, least and most, and the part of memcpy's median
for the same size in the same run. Repetitions of all are interleaved, so that what else the machine does meets all.
"""

import json
import statistics
import sys

MEMCPY = "BM_Memcpy/0/"
OUT_OF_CACHE = "67108864"


def main():
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as source:
            rows = json.load(source)["benchmarks"]
        rates, labels = {}, {}
        for row in rows:
            if row.get("run_type") == "iteration" and "bytes_per_second" in row:
                rates.setdefault(row["run_name"], []).append(row["bytes_per_second"] / 1e9)
                labels[row["run_name"]] = row.get("label", "")
        memcpy = {name.removeprefix(MEMCPY): statistics.median(of) for name, of in rates.items()
                  if name.startswith(MEMCPY)}
        for name, of in sorted(rates.items()):
            median = statistics.median(of)
            beside = memcpy.get(OUT_OF_CACHE if name.endswith(OUT_OF_CACHE) else "65536")
            part = f"{median / beside:5.2f}" if beside else "     "
            print(f"{name:56} {labels[name]:9} {median:7.2f} ({min(of):.1f}-{max(of):.1f}) {part}")


if __name__ == "__main__":
    main()
