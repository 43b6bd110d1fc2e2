#!/usr/bin/env python3
"""`herdiff outliers` beside stacking in DuckDB, the way it is done without Herdiff: rows by how few hosts have them.

Both read what one sweep left: the bundle, and the Parquet that it exports (one file a query). DuckDB counts for each
row of each query the hosts that have it and keeps the fifty rarest, with all columns and again without those that mean
nothing. It ranks rows, explains nothing and groups nothing; the figures are for orientation.

    python3 -m venv venv && venv/bin/pip install duckdb
    venv/bin/python testbed/bench/outliers.py --bin target/release --hosts 500,2000
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

STACK = """
import duckdb, pathlib, sys
volatile = {"pid", "parent", "start_time", "mtime", "local_port", "time", "fd", "size", "packets", "bytes"}
database = duckdb.connect()
database.execute("SET threads = 2")
for table in sorted(pathlib.Path(sys.argv[1]).glob("*.parquet")):
    source = f"read_parquet('{table}')"
    columns = [name for name, *_ in database.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
    host = next((name for name in columns if name in ("host", "herdiff_host")), None)
    if host is None:
        continue
    rows = [name for name in columns if name not in (host, "herd", "part", "herdiff_herd", "herdiff_part")]
    for kept in (rows, [name for name in rows if name not in volatile]):
        if kept:
            names = ", ".join(f'"{name}"' for name in kept)
            database.execute(
                f'SELECT {names}, count(DISTINCT "{host}") AS hosts FROM {source} '
                f"GROUP BY {names} ORDER BY hosts, {names} LIMIT 50"
            ).fetchall()
"""


def run(command):
    """Wall seconds, CPU seconds and the most memory in MB of a command."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status) not in (0, 1, 3):
        sys.exit(f"failed: {' '.join(map(str, command))}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def measure(arguments, hosts):
    place = Path(arguments.dir) / f"outliers-{hosts}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    fleet, bundle, tables = place / "fleet", place / "fleet.herd", place / "parquet"
    herdiff, testbed = Path(arguments.bin) / "herdiff", Path(arguments.bin) / "herdiff-testbed"
    run([testbed, "generate", "--hosts", str(hosts), "--rows", "3000", "--seed", "1", "--compromise", "5", fleet])
    run([herdiff, "import", fleet, "-o", bundle])
    shutil.rmtree(fleet)
    run([herdiff, "export", bundle, "--format", "parquet", "-o", tables])
    print(f"{hosts} hosts")
    for name, command in [
        ("herdiff outliers", [herdiff, "outliers", bundle, "--format", "ndjson"]),
        ("DuckDB, stacking", [sys.executable, "-c", STACK, tables]),
    ]:
        wall, cpu, peak = min((run(command) for _ in range(arguments.runs)), key=lambda figures: figures[1])
        print(f"  {name:<18} {wall:6.2f} s, CPU {cpu:6.2f} s, peak {peak:5.0f} MB")
    shutil.rmtree(place)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="target/release", help="where herdiff and herdiff-testbed are")
    parser.add_argument("--hosts", default="500", help="sizes of fleets")
    parser.add_argument("--dir", default="/tmp", help="where to put fleets; they are removed again")
    parser.add_argument("--runs", type=int, default=3, help="how often; the least CPU counts")
    arguments = parser.parse_args()
    for hosts in arguments.hosts.split(","):
        measure(arguments, int(hosts))


if __name__ == "__main__":
    main()
