# Reads every file of an export with DuckDB and holds its rows against the same bundle as NDJSON.
import base64, collections, glob, json, os, sys
import duckdb

directory, lines = sys.argv[1:]
expected = collections.defaultdict(collections.Counter)
for line in open(lines, encoding="utf-8"):
    line = json.loads(line)
    if line["type"] == "row":
        cells = {k: v for k, v in line["row"].items() if v != ""}
        expected[line["query"]][tuple(sorted(cells.values()))] += 1
found = []
for path in sorted(glob.glob(os.path.join(directory, "*.parquet"))):
    result = duckdb.sql(f"SELECT * FROM '{path}'")
    names, rows = result.columns, result.fetchall()
    print(os.path.basename(path), len(rows), " ".join(f"{n!r}:{t}" for n, t in zip(names, result.types)))
    raw = len(names) - 1
    if os.path.basename(path) in ("hosts.parquet", "outcomes.parquet"):
        continue
    counted = collections.Counter()
    for row in rows:
        cells = {n: v for n, v in zip(names[3:raw], row[3:raw]) if v is not None and v != ""}
        for name, exact in json.loads(row[raw] or "{}").items():
            cells[name] = base64.b64decode(exact).decode("utf-8", "replace")
        # Python writes one replacement character where others write several: bytes that are no UTF-8 are compared below.
        counted[tuple(sorted(str(v) for v in cells.values()))] += 1
    found.append(counted)
plain = lambda counters: sorted(sorted((tuple(v.replace("\ufffd", "") for v in k), n) for k, n in c.items()) for c in counters)
assert plain(found) == plain(expected.get(q, collections.Counter()) for q in list(expected)) , "rows differ"
