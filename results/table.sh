#!/bin/sh
# table.sh PREFIX.tsv... : test accuracy in percent by density, mean of the runs (lowest to highest), per branch, beside
# the values digitised from Maene, Li, Moens 2021 (LeNet on MNIST, one seed) at the same level. Tab-separated, to stdout.
# The paper's densities are 0.8^level; ours also count an output layer that is not pruned.
awk -F '\t' '
BEGIN {
  split("100 80 51 26 13.4 6.9 3.5 1.8 1.15 .92 .74 .59 .47", d, " ")
  split("98.59 98.56 98.57 98.65 98.58 98.49 98.36 98.16 97.99 97.84 97.65 97.52 97.22", t, " ")
  split("98.48 98.46 98.57 98.33 98.30 98.23 98.06 97.70 97.3 96.84 96.4 95.9 95.0", r, " ")
}
/^#/ || $1 == "level" { next }
{
  k = $1 SUBSEP $2; a = 100 - $9
  if ($1 > top) top = $1
  density[$1] = $4; sum[k] += a; n[k]++
  if (n[k] == 1 || a < low[k]) low[k] = a
  if (n[k] == 1 || a > high[k]) high[k] = a
}
function cell(level, branch, k) {
  k = level SUBSEP branch
  return n[k] ? sprintf("%.2f (%.2f-%.2f)", sum[k] / n[k], low[k], high[k]) : "-"
}
END {
  print "level\tdensity\tticket\treinit\tpaper ticket\tpaper reinit"
  for (l = 0; l <= top; l++) {
    pt = pr = "-"
    for (i in d) if (100 * .8 ^ l > .985 * d[i] && 100 * .8 ^ l < 1.015 * d[i]) { pt = t[i]; pr = r[i] }
    print l "\t" density[l] "\t" cell(l, "ticket") "\t" cell(l, "reinit") "\t" pt "\t" pr
  }
}' "$@"
