"""Spark with two workers, each with its own Java process."""

import os
import signal
import sys
import threading

import pyarrow.parquet as pq
import pytest
from conftest import holder, same_audit, same_books, same_outputs, same_rows

import parable


@pytest.fixture(scope="module")
def spark():
    from pyspark.sql import SparkSession

    import parable.spark

    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "600m",
        "spark.task.maxFailures": "4",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "20",
        "spark.sql.shuffle.partitions": "2",
    }
    # local[2,4]: two cores, and a failed task is tried up to four times.
    builder = SparkSession.builder.master(os.environ.get("PARABLE_SPARK_MASTER", "local[2,4]")).appName("parable")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


def read(spark, parquet):
    return spark.read.parquet(str(parquet)).repartition(3)


def test_scores_are_those_of_the_command_line(spark, parquet, expected, tmp_path):
    parable.spark.score(read(spark, parquet)).write.parquet(str(tmp_path / "attributes"))
    same_rows(pq.read_table(tmp_path / "attributes"), expected)
    figures = parable.audit([tmp_path / "attributes"])
    assert figures["totals"]["documents"] == expected.num_rows


def test_policies_apply(spark, parquet, conditioned):
    same_rows(parable.spark.apply(read(spark, parquet), "condition").toArrow(), conditioned)


def test_a_killed_worker_loses_and_doubles_nothing(spark, parquet, expected, tmp_path):
    marker = str(tmp_path / "died")

    def dies_once(batches):
        for nth, batch in enumerate(batches):
            if nth == 1 and not os.path.exists(marker):
                open(marker, "w").close()
                os.kill(os.getpid(), signal.SIGKILL)
            yield batch

    df = read(spark, parquet)
    scored = parable.spark.score(df.mapInArrow(dies_once, df.schema))
    same_rows(scored.toArrow(), expected)
    assert os.path.exists(marker), "nobody was killed"


def test_a_run_in_tasks_is_the_run_of_the_command_line(spark, shards, whole_run, tmp_path):
    parts = parable.spark.run(spark, shards, tmp_path / "out", tasks=2, policy="condition")
    same_outputs(tmp_path / "out", whole_run)
    same_books(parts, whole_run)
    same_audit(parts.folders, whole_run)


def test_a_killed_task_goes_on(spark, shards, whole_run, tmp_path):
    lock = tmp_path / "out/part-00001/.parable/lock"
    killed = []

    def kill():
        killed.append(holder(lock))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    parts = parable.spark.run(spark, shards, tmp_path / "out", tasks=2, policy="condition")
    killer.join()
    assert killed
    same_outputs(tmp_path / "out", whole_run)
    same_books(parts, whole_run)


def test_a_bad_row_fails_the_job_where_that_is_wanted(spark):
    df = spark.createDataFrame([("a", "a robot"), ("b", None)], "id string, text string")
    rows = parable.spark.score(df).toArrow().to_pylist()
    assert [row["error"] is None for row in sorted(rows, key=lambda row: row["id"])] == [True, False]
    with pytest.raises(Exception, match="column `text`"):
        parable.spark.score(df, errors="raise").toArrow()
