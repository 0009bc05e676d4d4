#!/bin/sh
# figure.sh REPORT.html TITLE: the first figure of a report whose heading begins with TITLE, as an SVG file of its own, on stdout.
awk -v title="$2" '
  /<style>/, /<\/style>/ { style = style $0 "\n" }
  index($0, "<h3>" title) == 1 { found = 1 }
  found && sub(/^<svg /, "<svg xmlns=\"http://www.w3.org/2000/svg\" ") { print $0 "\n" style "<rect width=\"100%\" height=\"100%\" style=\"fill:var(--paper)\"/>"; inside = 1; next }
  inside
  inside && /<\/svg>/ { exit }
  END { exit !inside }' "$1"
