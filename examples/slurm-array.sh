#!/usr/bin/env bash
# One run of parable over many nodes, as a Slurm array. Each element takes every n-th shard, writes a
# part of its own and needs nothing of the others; the order in which they run does not matter.
#
#   IN=/data/corpus OUT=/data/out sbatch --array=0-63 --requeue examples/slurm-array.sh
#   sbatch --dependency=singleton --job-name=parable --wrap 'parable audit /data/out/part-* -o /data/out/report.html --json /data/out/audit.json'
#
# An element that was killed is submitted again and goes on where it stopped (--resume); one that is
# done already has nothing left to do. Keep the array's length when elements are repeated: the share
# of the shards depends on it, and parable refuses a part that was begun with another.
#SBATCH --job-name=parable
#SBATCH --cpus-per-task=16
#SBATCH --mem=16G
#SBATCH --open-mode=append
set -euo pipefail

: "${IN:?folder or files of the corpus}" "${OUT:?output folder}"
first=${SLURM_ARRAY_TASK_MIN:-0}
rank=$((SLURM_ARRAY_TASK_ID - first))

# SLURM_ARRAY_TASK_COUNT counts the elements of this submission: when only some are repeated, WORLD
# must say how many there were in all.
exec "${PARABLE:-parable}" run "$IN" \
  --out "$OUT/part-$(printf %05d "$rank")" \
  --policy "${POLICY:-tag-only}" \
  --rank "${RANK:-$rank}" --world-size "${WORLD:-$SLURM_ARRAY_TASK_COUNT}" \
  --threads "${SLURM_CPUS_PER_TASK:-0}" \
  --no-report --quiet --resume
