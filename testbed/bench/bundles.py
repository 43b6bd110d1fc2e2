#!/usr/bin/env python3
"""Bundles beside what one would use in their place: size, and time to write, open, read and check, in one run.

Beside each bundle of a generated fleet: Parquet with zstd as DuckDB writes it (one table a query), one tar of the JSON
files ordered by query under `zstd -19 --long=31`, and the JSON itself.

    python3 -m venv venv && venv/bin/pip install duckdb
    venv/bin/python testbed/bench/bundles.py --bin target/release --hosts 50,500
    venv/bin/python testbed/bench/bundles.py --bin target/release --hosts 100,1000,10000 --only-bundle
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path


def run(command, **options):
    """Wall seconds, CPU seconds and the most memory in MB of a command."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status) not in (0, 1, 3):
        sys.exit(f"failed: {' '.join(map(str, command))}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def best(times, command):
    """Of several runs the one with the least CPU."""
    return min((run(command) for _ in range(times)), key=lambda figures: figures[1])


def parquet(fleet, out):
    """One table a query with the host's name as a column; bytes of all of them."""
    import duckdb

    out.mkdir()
    queries = sorted({file.stem for file in fleet.glob("*/*.json")})
    database = duckdb.connect()
    for query in queries:
        files = sorted(str(file) for file in fleet.glob(f"*/{query}.json"))
        columns = sorted({column for file in files[:5] for row in json.load(open(file)) for column in row})
        names = ", ".join(f"'{column}': 'VARCHAR'" for column in columns)
        chosen = ", ".join(f'"{column}"' for column in columns)
        source = f"read_json({files!r}, columns={{{names}}}, format='array', filename=true)"
        host = "split_part(filename, '/', -2)"
        database.execute(
            f"COPY (SELECT {host} AS herdiff_host, {chosen} FROM {source} ORDER BY herdiff_host) "
            f"TO '{out}/{query}.parquet' (FORMAT parquet, COMPRESSION zstd)"
        )
    return sum(file.stat().st_size for file in out.iterdir())


def tar_zstd(fleet, out):
    """Ordered by query, so that what is alike is near each other."""
    files = sorted(fleet.glob("*/*.json"), key=lambda file: (file.stem, file.parent.name))
    listing = out.with_suffix(".list")
    listing.write_text("".join(f"{file.relative_to(fleet)}\n" for file in files))
    tar = f"tar -C {fleet} --format=ustar -cf - -T {listing} | zstd -q -19 --long=31 -T1 -f -o {out}"
    subprocess.run(["sh", "-c", tar], check=True)
    return out.stat().st_size


def measure(arguments, hosts):
    place = Path(arguments.dir) / f"bundles-{hosts}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    fleet, bundle = place / "fleet", place / "fleet.herd"
    herdiff, testbed = Path(arguments.bin) / "herdiff", Path(arguments.bin) / "herdiff-testbed"
    run([testbed, "generate", "--hosts", str(hosts), "--rows", "3000", "--seed", "1", "--compromise", "5", fleet])
    raw = sum(file.stat().st_size for file in fleet.glob("*/*.json"))

    def write():
        bundle.unlink(missing_ok=True)
        return run([herdiff, "import", fleet, "-o", bundle])

    wrote = min((write() for _ in range(arguments.runs)), key=lambda figures: figures[1])
    size = bundle.stat().st_size
    nothing = best(arguments.runs, [herdiff, "--version"])
    host = f"web-{hosts // 2:02}" if hosts < 100 else f"web-{hosts // 2:0{len(str(hosts))}}"
    names = [entry.name for entry in fleet.iterdir() if entry.is_dir()]
    host = host if host in names else names[0]
    listed = best(arguments.runs, [herdiff, "show", bundle, "--hosts"])
    one = best(arguments.runs, [herdiff, "show", bundle, "--host", host, "--format", "ndjson"])
    checked = best(arguments.runs, [herdiff, "verify", bundle])
    content = best(1, [herdiff, "verify", bundle, "--content"])
    print(f"\n{hosts} hosts, {raw / 1e6:.1f} MB of JSON, {raw / hosts:,.0f} bytes a host")
    print(f"  bundle                     {size / hosts:9,.0f} bytes a host")
    if not arguments.only_bundle:
        columns, archive = parquet(fleet, place / "parquet"), tar_zstd(fleet, place / "json.tar.zst")
        print(f"  Parquet, zstd (DuckDB)     {columns / hosts:9,.0f}   the bundle is {size / columns:.2f} of it")
        print(f"  tar, zstd -19 --long=31    {archive / hosts:9,.0f}   the bundle is {size / archive:.2f} of it")
    print(f"  write      {wrote[0]:7.2f} s, CPU {wrote[1]:.2f} s ({raw / 1e6 / wrote[1]:.0f} MB/s of JSON per core), "
          f"peak {wrote[2]:.0f} MB")
    for name, figures in [("a process", nothing), ("list hosts", listed), ("one host", one), ("verify", checked),
                          ("  content", content)]:
        print(f"  {name:<10} {figures[0] * 1000:7.1f} ms, CPU {figures[1] * 1000:.1f} ms, peak {figures[2]:.0f} MB")
    shutil.rmtree(place)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="target/release", help="where herdiff and herdiff-testbed are")
    parser.add_argument("--hosts", default="50,500", help="sizes of fleets")
    parser.add_argument("--dir", default="/tmp", help="where to put fleets; they are removed again")
    parser.add_argument("--runs", type=int, default=5, help="how often; the least CPU counts")
    parser.add_argument("--only-bundle", action="store_true", help="nothing beside it")
    arguments = parser.parse_args()
    # Children are measured by themselves; what this script uses does not matter.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for hosts in arguments.hosts.split(","):
        measure(arguments, int(hosts))


if __name__ == "__main__":
    main()
