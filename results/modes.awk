# modes.awk - of histograms (tables of `ticket probe`) the highest bin on either side of 0, its place and its weights, and the
# mean of the two bins next to 0:  awk -f results/modes.awk FILE.tsv...  SPDX-License-Identifier: MIT
BEGIN { FS = "\t" }
FNR == 1 { file[++n] = FILENAME }
$1 == "histogram" {
  side = $2 > 0
  if ($3 > most[n, side]) { most[n, side] = $3; at[n, side] = $2 }
  if (!side) near[n] = $3
  else if (!(n in zero)) zero[n] = (near[n] + $3) / 2
}
END { for (k = 1; k <= n; k++) printf "%s %.3f %d, %.3f %d, at 0 %d\n", file[k], at[k, 0], most[k, 0], at[k, 1], most[k, 1], zero[k] }
