#!/bin/sh
# lmc.sh PREFIX NAME [DATA]: the measurements of a finished run `imp --preset lenet-mnist --branches reinit` (files PREFIX.*) as
# NAME.*.tsv: 26 x 26 angles of ticket and reinit (25 levels, then the initialisation), their histograms at level 10, the straight
# line and the curve between them there. TICKET names the program.
ticket=${TICKET:-./ticket} prefix=$1 name=$2 data=${3:-mnist:mnist}
seed=$(sed -n 's/^# seed = //p' "$prefix.tsv")
# reinit's initialisation: what a training of no steps leaves
"$ticket" imp --preset lenet-mnist --data "$data" --seed "$seed" --branches reinit --levels 1 --steps 0it --quiet --out "$name.init" >/dev/null
"$ticket" distance --data "$data" "$prefix".L??.safetensors "$prefix.rewind.safetensors" >"$name.angle.ticket.tsv"
"$ticket" distance --data "$data" "$prefix".L??.reinit.safetensors "$name.init.L00.reinit.safetensors" >"$name.angle.reinit.tsv"
"$ticket" probe --data "$data" "$prefix.L10.safetensors" >"$name.probe.ticket.tsv"
"$ticket" probe --data "$data" "$prefix.L10.reinit.safetensors" >"$name.probe.reinit.tsv"
"$ticket" lmc --data "$data" --points 31 "$prefix.L10.safetensors" "$prefix.L10.reinit.safetensors" >"$name.straight.tsv"
"$ticket" curve --data "$data" --steps 10ep --schedule cosine --points 31 "$prefix.L10.safetensors" "$prefix.L10.reinit.safetensors" >"$name.curve.tsv"
rm -f "$name.init".*
