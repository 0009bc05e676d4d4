# wide.awk - one chart of a page's values as a table, a row per place and a column per line, the published ones last:
#
#     awk -v chart='Test accuracy' -f results/wide.awk fig1.values.tsv
#
# Means of several runs are followed by (lowest-highest). A column a-b is a ticket minus its control, the only other line of the
# same settings. A published value stands with our place next to it, within a fiftieth. SPDX-License-Identifier: MIT
BEGIN { FS = "\t"; places = places ? places : 2 }
$1 != chart { next }
!($2 in letter) { letter[$2] = (n < 26 ? "" : "a") sprintf("%c", 97 + n % 26); line[++n] = $2 }
{
  at = ""
  for (k = 1; k <= rows; k++) if ((x[k] - $3) * (x[k] - $3) <= $3 * $3 / 2500) at = k
  if (at == "") x[at = ++rows] = $3
  value[at, $2] = $4
  cell[at, $2] = sprintf("%.*f", places, $4) ($8 > 1 ? sprintf(" (%.*f-%.*f)", places, $5, places, $6) : "")
}
END {
  for (k = 1; k <= n; k++) print letter[line[k]] "  " line[k]
  head = "place"
  for (k = 1; k <= n; k++) {
    head = head "\t" letter[line[k]]
    rest = line[k]
    if (sub(/^ticket/, "reinit", rest) && rest in letter || sub(/^reinit/, "reinit-fresh", rest) && rest in letter) {
      other[line[k]] = rest
      head = head "\t" letter[line[k]] "-" letter[rest]
    }
  }
  print head
  for (k = 2; k <= rows; k++) # dense first; batch sizes and levels ascend
    for (j = k; j > 1 && (chart ~ /batch size|Angle/ ? x[order(j)] < x[order(j - 1)] : x[order(j)] > x[order(j - 1)]); j--) {
      swap = order(j); place[j] = order(j - 1); place[j - 1] = swap
    }
  for (j = 1; j <= rows; j++) {
    text = sprintf("%.4g", x[order(j)])
    for (k = 1; k <= n; k++) {
      text = text "\t" ((order(j), line[k]) in cell ? cell[order(j), line[k]] : "-")
      if (line[k] in other)
        text = text "\t" ((order(j), other[line[k]]) in value ? sprintf("%+.*f", places, value[order(j), line[k]] - value[order(j), other[line[k]]]) : "-")
    }
    print text
  }
}
function order(k) { return k in place ? place[k] : k }
