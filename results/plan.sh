#!/bin/sh
# plan.sh - what the commands of a figure would cost here, before any of them is run:
#
#     make -n -f results/paper.mk fig1 DATA=DIR SCALE=full | sh results/plan.sh
#
# A row per `ticket imp` and `ticket stability`: trainings, steps, core-hours, MiB of a batch's activations (the data set comes
# to them); then the sums. Hours are images trained on times what `ticket bench --batch 128` takes for one at the
# density of their level, between two measured densities on a straight line. Evaluations come to it, a twentieth or so.
# BENCH names a file with what bench printed, each time after a line `model NAME`, instead. SPDX-License-Identifier: MIT
ticket=${TICKET:-./ticket}
export ticket
{ "$ticket" help presets; echo '--'; cat; } | awk -v file="${BENCH:-}" '
function get(key) { return key in given ? given[key] : preset[given["preset"] SUBSEP key] }
function ceiling(x) { return x == int(x) ? x : int(x) + 1 }

# milliseconds for an image at a density in percent; sets bytes[model], what an image takes
function cost(model, density, call, options, name, word, k) {
  if (!(model in points)) {
    options = " --shortcut " get("shortcut") " --bn-affine " get("bn-affine")
    call = file ? "cat \"" file "\"" : "echo model " model "; \"$ticket\" bench --batch 128 --data " \
      (model ~ /^lenet/ ? "synth" : "synth-rgb") " --model " model (model ~ /^resnet/ ? options : "")
    while ((call | getline line) > 0) {
      split(line, word)
      if (word[1] == "model") name = word[2]
      else if (word[1] == "#") bytes[name] = word[7]
      else if (word[1] + 0 > 0 && name == model) {
        at[model, ++points[model]] = word[1]
        ms[model, points[model]] = 1000 / word[3]
      }
    }
    close(call)
    if (!(model in points)) { print "plan.sh: bench said nothing of " model >"/dev/stderr"; exit failed = 1 }
  }
  for (k = 1; k < points[model] - 1 && at[model, k + 1] > density; k++);
  if (density < at[model, k + 1]) density = at[model, k + 1]
  return ms[model, k + 1] + (ms[model, k] - ms[model, k + 1]) * (density - at[model, k + 1]) / (at[model, k] - at[model, k + 1])
}

/^--$/ { commands = 1; print "run\ttrainings\tsteps\tcore-hours\tMiB" }
!commands {
  if (/^  [a-z]/) name = $1
  for (k = 1; k <= NF; k++) if (split($k, word, "=") == 2) preset[name, word[1]] = word[2]
}
commands && / (imp|stability) / {
  split("", given)
  given["levels"] = 10; given["shortcut"] = "conv"; given["bn-affine"] = "on"
  for (k = 1; k < NF; k++) if ($k == "--preset") for (both in preset) {
    split(both, word, SUBSEP)
    if (word[1] == $(k + 1)) given[word[2]] = preset[both]
  }
  for (k = 1; k < NF; k++) if ($k ~ /^--[a-z]/ && $(k + 1) !~ /^--/) given[substr($k, 3)] = $(k + 1)
  images = get("train-size") ? get("train-size") : get("data") ~ /cifar/ ? 50000 : get("data") ~ /mnist/ ? 60000 : 6000
  per_epoch = ceiling(images / get("batch"))
  steps = get("steps") ~ /ep$/ ? get("steps") * per_epoch : get("steps") + 0
  if (steps == 0) next
  trainings = hours = 0
  run = / imp / ? given["out"] : given["ticket"]
  gsub(/.*\/|\.safetensors.*/, "", run)
  if (/ imp /) {
    rate[run] = get("rate")
    each = 1 + split(given["branches"], word, ",") + given["children"]
    for (level = 0; level < get("levels"); level++) {
      trainings += each
      hours += each * steps * images / per_epoch * cost(get("model"), 100 * (1 - get("rate")) ^ level)
    }
  } else {
    split(run, word, ".L")
    trainings = 2
    hours = 2 * steps * images / per_epoch * cost(get("model"), 100 * (1 - (word[1] in rate ? rate[word[1]] : get("rate"))) ^ word[2])
  }
  hours /= 3600000
  printf "%s\t%d\t%d\t%.2f\t%d\n", run, trainings, trainings * steps, hours, bytes[get("model")] * get("batch") / 1048576
  runs++; all[1] += trainings; all[2] += trainings * steps; all[3] += hours
}
END { if (!failed) printf "%d commands\t%d\t%d\t%.2f\n", runs, all[1], all[2], all[3]; exit failed }'
