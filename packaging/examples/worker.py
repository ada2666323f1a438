#!/usr/bin/env python3
"""A worker: fsmonctl add /data --mode worker -- /path/to/worker.py"""
import json, sys


def process_function(file_path, trigger_type):
    """Yours. What it prints goes to stderr and so to `fsmonctl logs`; an exception means: try again."""
    print(f"{trigger_type}: {file_path}", file=sys.stderr, flush=True)


for line in sys.stdin:
    job = json.loads(line)
    answer = {"run": job["run"], "status": "ok"}
    try:
        process_function(job["path"], job["trigger"])
    except Exception as error:
        answer.update(status="retry", message=str(error))
    print(json.dumps(answer), flush=True)
