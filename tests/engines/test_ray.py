"""A local Ray cluster with two workers."""

import os
import signal
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import holder, same_audit, same_books, same_outputs, same_rows

import parable


@pytest.fixture(scope="module")
def ray():
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # else it writes a token into the home folder
    import ray

    import parable.ray

    # Two actors hold a CPU each; reading and writing need others, or nothing moves.
    # Ray gives its own processes 30 seconds, which a busy machine may not.
    for attempt in range(4):
        try:
            ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, object_store_memory=200 << 20)
            break
        except Exception:
            ray.shutdown()
            if attempt == 3:
                raise
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield ray
    ray.shutdown()


def gathered(dataset):
    import ray

    blocks = [block for block in ray.get(dataset.to_arrow_refs()) if block.num_rows]
    return pa.concat_tables(blocks).combine_chunks()


def test_scores_are_those_of_the_command_line(ray, parquet, expected, tmp_path):
    scored = parable.ray.score(ray.data.read_parquet(str(parquet)), actors=2, batch_size=20)
    scored.write_parquet(str(tmp_path / "attributes"))
    same_rows(pq.read_table(tmp_path / "attributes"), expected)


def test_the_audit_reads_what_ray_wrote(ray, parquet, command_line, tmp_path):
    parable.ray.score(ray.data.read_parquet(str(parquet)), actors=1).write_parquet(str(tmp_path / "attributes"))
    command_line("scan", parquet, "-o", tmp_path / "out", "--quiet")
    ours = parable.audit([tmp_path / "attributes"])
    theirs = parable.audit([tmp_path / "out/attributes/parable"])
    # The command line's rows lie beside a ledger, which tells the bytes of the whole corpus too.
    known = ["key", "documents", "of", "raw", "bytes", "tokens"]
    assert [[line[name] for name in known] for line in ours["headline"]] == [
        [line[name] for name in known] for line in theirs["headline"]
    ]


def test_policies_apply(ray, parquet, conditioned):
    same_rows(gathered(parable.ray.apply(ray.data.read_parquet(str(parquet)), "condition", actors=1)), conditioned)


def test_a_killed_actor_loses_and_doubles_nothing(ray, parquet, expected, tmp_path):
    from parable.ray import Scorer

    marker = str(tmp_path / "died")

    class Dies(Scorer):
        """Kills its own process on the second batch that anybody scores."""

        def __call__(self, batch):
            seen = marker + ".seen"
            if os.path.exists(seen) and not os.path.exists(marker):
                open(marker, "w").close()
                os.kill(os.getpid(), signal.SIGKILL)
            open(seen, "w").close()
            return super().__call__(batch)

    scored = ray.data.read_parquet(str(parquet)).map_batches(
        Dies, batch_format="pyarrow", batch_size=10, compute=ray.data.ActorPoolStrategy(size=2), num_cpus=1
    )
    same_rows(gathered(scored), expected)
    assert os.path.exists(marker), "nobody was killed"


def test_a_run_in_tasks_is_the_run_of_the_command_line(ray, shards, whole_run, tmp_path):
    parts = parable.ray.run(shards, tmp_path / "out", tasks=2, policy="condition")
    same_outputs(tmp_path / "out", whole_run)
    same_books(parts, whole_run)
    same_audit(parts.folders, whole_run)


def test_a_killed_task_goes_on(ray, shards, whole_run, tmp_path):
    lock = tmp_path / "out/part-00000/.parable/lock"
    killed = []

    def kill():
        killed.append(holder(lock))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    parts = parable.ray.run(shards, tmp_path / "out", tasks=2, policy="condition")
    killer.join()
    assert killed
    same_outputs(tmp_path / "out", whole_run)
    same_books(parts, whole_run)
