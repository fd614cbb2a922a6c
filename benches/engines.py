#!/usr/bin/env python3
"""What Ray Data and Spark add to scoring, and what a second worker gains.

usage: benches/engines.py FOLDER-OF-PARQUET [ROUNDS=3]

Run it where a release wheel, Ray and pyspark are installed (tests/python/requirements-engines.txt), on a machine
that does nothing else. Each way scores every file of the folder (columns `id` and `text`, a file for each task or
more) in all rounds in turn: score_batch in this process with one and two threads, Ray Data with one and two actors,
Spark local[1] and local[2]. Engines are started and filters loaded before the clock runs. Prints wall seconds,
the least of the rounds.
"""

import os
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq

import parable
import parable.ray
import parable.spark


def direct(files, threads):
    filters = parable.FilterSet.load(threads=threads)
    filters.score("The robot said it would tell them all unless the plug stayed in.")

    def go():
        rows = 0
        for file in files:
            for batch in pq.ParquetFile(file).iter_batches(8192, columns=["id", "text"]):
                rows += filters.score_batch(batch).num_rows
        return rows

    return go


def of_ray(folder, actors):
    import ray

    def go():
        dataset = ray.data.read_parquet(folder, columns=["id", "text"])
        scored = parable.ray.score(dataset, actors=actors)
        return sum(batch.num_rows for batch in scored.iter_batches(batch_format="pyarrow", batch_size=None))

    return go


def of_spark(folder, cores):
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")

    def go():
        builder = SparkSession.builder.master(f"local[{cores}]").config("spark.ui.enabled", "false")
        spark = builder.config("spark.driver.host", "127.0.0.1").config("spark.driver.memory", "2g").getOrCreate()
        spark.sparkContext.setLogLevel("OFF")
        frame = spark.read.parquet(folder).select("id", "text")
        scored = parable.spark.score(frame)
        scored.limit(1).collect()  # workers start and load the filters
        before = time.perf_counter()
        rows = scored.selectExpr("count(parable__score__coercion)", "count(*)").collect()[0][1]
        took = time.perf_counter() - before
        spark.stop()
        return rows, took

    return go


def timed(go):
    before = time.perf_counter()
    done = go()
    took = time.perf_counter() - before
    return done if isinstance(done, tuple) else (done, took)


def main():
    import ray

    folder, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    files = sorted(Path(folder).glob("*.parquet"))
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, object_store_memory=1 << 30)
    ray.data.DataContext.get_current().enable_progress_bars = False
    ways = {
        "score_batch, 1 thread": direct(files, 1),
        "score_batch, 2 threads": direct(files, 2),
        "Ray, 1 actor": of_ray(folder, 1),
        "Ray, 2 actors": of_ray(folder, 2),
        "Spark local[1]": of_spark(folder, 1),
        "Spark local[2]": of_spark(folder, 2),
    }
    best = {}
    for _ in range(rounds):
        for name, go in ways.items():
            rows, took = timed(go)
            print(f"{name:24} {took:7.2f} s  {rows} rows", file=sys.stderr, flush=True)
            best[name] = min(took, best.get(name, took))
    for name, took in best.items():
        first = best["score_batch, 1 thread"]
        print(f"{name:24} {took:7.2f} s  {first / took:5.2f} x one thread")


if __name__ == "__main__":
    main()
