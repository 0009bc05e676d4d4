# barrier.awk RUN.tsv: the run's table with the barriers and heights that `imp --points 20` would have measured, from the
# files RUN.Lnn[.BRANCH].way.tsv of `lmc --points 20` between successive levels. SPDX-License-Identifier: MIT
BEGIN { FS = OFS = "\t"; run = ARGV[1]; sub(/\.tsv$/, "", run) }
/^# checksum = / { next }
/^# points = / { $0 = "# points = 20" }
/^[0-9]/ && $1 > 0 {
  way = run sprintf(".L%02d", $1) ($2 == "ticket" ? "" : "." $2) ".way.tsv"
  split("", value)
  while ((getline line <way) > 0) if (split(line, word, " ") == 4) value[word[2]] = word[4]
  close(way)
  if (!("test_height" in value) || !("train_height" in value)) { print way ": has no height; make it again" >"/dev/stderr"; exit 1 }
  $10 = value["train_barrier"]; $11 = value["test_barrier"]; $14 = value["train_height"]; $15 = value["test_height"]
}
{ print }
