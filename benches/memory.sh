#!/bin/sh
# Peak memory of `parable scan` on a shard of several GB.
#
# usage: benches/memory.sh SHARD.jsonl.zst [GB=5] [THREADS=2] [PARABLE=target/release/parable]
#
# The shard's frames are repeated in one file until it holds so many GB (10^9 bytes, decompressed).
# Two figures are printed, sampled ten times a second: anonymous memory, which the program asked for
# and must have, and resident memory in all, which includes pages of the mapped shard that the system
# may take back at any time. Exit status 1 where anonymous memory exceeds 500 MB.
set -eu
shard=$1 gb=${2:-5} threads=${3:-2} parable=${4:-target/release/parable}
limit_kb=$((500 * 1000 * 1000 / 1024))
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

bytes=$(zstd -dcq "$shard" | wc -c)
times=$(((gb * 1000000000 + bytes - 1) / bytes))
i=0
while [ "$i" -lt "$times" ]; do
  cat "$shard"
  i=$((i + 1))
done >"$work/big.jsonl.zst"
echo "$times times $bytes bytes, $(wc -c <"$work/big.jsonl.zst") stored"

start=$(date +%s)
"$parable" scan "$work/big.jsonl.zst" -o "$work/out" -j "$threads" --quiet &
program=$!
anon=0 all=0
field() { sed -n "s/^$1:[[:space:]]*\([0-9]*\) kB/\1/p" "/proc/$program/status" 2>/dev/null || true; }
while kill -0 "$program" 2>/dev/null; do
  now_anon=$(field RssAnon) now_all=$(field VmRSS)
  [ "${now_anon:-0}" -gt "$anon" ] && anon=$now_anon
  [ "${now_all:-0}" -gt "$all" ] && all=$now_all
  sleep 0.1
done
wait "$program"
echo "$(($(date +%s) - start)) s with $threads threads; peak anonymous $((anon * 1024 / 1000000)) MB, peak resident $((all * 1024 / 1000000)) MB"
[ "$anon" -le "$limit_kb" ]
