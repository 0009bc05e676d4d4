#!/bin/sh
# test/text.sh [COMPILER-AND-FLAGS] - what the sources look like: which file calls which, and the numbers of a text
# that can be read. From the root of the repository. SPDX-License-Identifier: MIT
. test/lib.sh
compiler=${1:-cc -std=c99}
sources='arithmetic.c data.c nn.c lmc.c prune.c report.c ticket.c'

none() # WHAT FOUND: no line may be found
{
  if [ -z "$2" ]; then good; else bad "$1" none "$2"; fi
}


# Which file may call which: no circle.
may_call() # FILE
{
  case $1 in
  arithmetic) ;;
  data) echo arithmetic ;;
  nn) echo arithmetic data ;;
  lmc) echo arithmetic data nn ;;
  prune) echo arithmetic data nn lmc ;;
  report) echo arithmetic data ;;
  ticket) echo arithmetic data nn lmc prune report ;;
  esac
}

group 'which file calls which'
if command -v nm >/dev/null; then
  for source in $sources; do
    file=${source%.c}
    $compiler -c -o "$room/$file.o" $source 2>"$room/err" && good || bad "$source" 'compiles' "$(cat "$room/err")"
    nm -g "$room/$file.o" | awk -v f=$file '{s = $NF; t = $(NF - 1); print (t == "U" ? "uses" : "has"), s, f}'
  done >"$room/symbols"
  for source in $sources; do
    file=${source%.c}
    none "$file.c calls only: $(may_call $file)" "$(awk -v f=$file -v may=" $(may_call $file) " '
      $1 == "has" {home[$2] = $3}
      $1 == "uses" && $3 == f {used[$2]}
      END {for (s in used) if (s in home && !index(may, " " home[s] " ")) print s " of " home[s] ".c"}' "$room/symbols")"
  done
else skip 'nm: there is none'; fi

group 'one translation unit: a name means one thing'
for source in $sources; do echo "#include \"$source\""; done >"$room/all.c"
$compiler -I. -c -o "$room/all.o" "$room/all.c" 2>"$room/err" && good || bad 'all sources in one' 'compiles' "$(grep error "$room/err" | head -n 5)"

group 'layout'
none 'lines of more than 100 columns' "$(awk 'length > 100 {print FILENAME ":" FNR}' *.c *.h test/*.c test/*.h)"
case $(clang-format --version 2>/dev/null) in
*' 14.'*)
  for source in *.c *.h test/*.c test/*.h; do
    none "clang-format changes $source" "$(clang-format --dry-run -Werror $source 2>&1 | grep error: | head -n 3)"
  done ;;
*) skip 'clang-format 14 is not installed' ;;
esac

# A function has at most 60 lines, its first and last included; a control statement stands at most five levels deep.
# A statement assigns one thing (a = b = c; is one value for two): no comma operator, no assignment in parentheses, in
# brackets or in a condition. A for header counts: its first and third part have no comma, its condition no && || or ?.
cat >"$room/text.awk" <<'END'
function flag(line, what) {print FILENAME ":" line ": " what}
function statement() # the text of one, without what is in parentheses, has ended
{
  while (sub(/^ *(else|do|(if|for|while|switch) *\(\)|(case [^:]*|default):) */, "", text)) {}
  sub(/^ */, "", text)
  if (comma && (text ~ /^return / || text !~ /^(,|(static|const|unsigned|struct|enum|extern|volatile) |[A-Za-z_0-9]+ *[*( ]+[A-Za-z_)])/))
    flag(comma, "a comma joins two statements")
  begin()
}
function begin() {text = ""; comma = 0}
function in_condition(k) {for (k = depth; k > 0; k--) if (kind[k] == "for" && part[k] == 2) return 1; return 0}
FNR == 1 {mode = depth = directive = 0; begin()}
/^            +(for|while|if|else|do|switch)[ (]/ {flag(FNR, "more than five levels deep")}
/^[A-Za-z_].*\(/ {first = FNR}
/^}$/ && first {if (FNR - first + 1 > 60) flag(first, FNR - first + 1 " lines of a function"); first = 0}
{
  if (mode != "comment" && (directive || $0 ~ /^ *#/)) {directive = /\\$/; next}
  n = length($0)
  for (i = 1; i <= n; i++) {
    c = substr($0, i, 1); two = substr($0, i, 2)
    if (mode == "comment") {if (two == "*/") {mode = 0; i++}; continue}
    if (mode) {if (c == "\\") i++; else if (c == mode) mode = 0; continue}
    if (two == "/*") {mode = "comment"; i++; continue}
    if (c == "\"" || c == "'") {mode = c; text = text c; last = c; continue}
    if (c == " ") {if (!depth) text = text c; continue}
    if (c == "(" || c == "[" || (c == "{" && depth)) {
      word = substr($0, 1, i - 1)
      if (!depth) text = text c
      part[++depth] = 1
      kind[depth] = c == "{" ? "list" : word ~ /(^|[^A-Za-z_0-9])for *$/ ? "for" : \
        word ~ /(^|[^A-Za-z_0-9])(if|while|switch|return|sizeof) *$/ ? "group" : last ~ /[])A-Za-z_0-9]/ ? "call" : "group"
    } else if (c == ")" || c == "]" || (c == "}" && depth)) {
      depth--
      if (!depth) text = text c
    } else if (c == "{" || c == "}") begin()
    else if (c == ";") {if (depth) part[depth]++; else statement()}
    else if (c == ",") {
      if (!depth) {text = text c; if (!comma) comma = FNR}
      else if (kind[depth] == "for") flag(FNR, "a comma in a for header")
      else if (kind[depth] == "group") flag(FNR, "a comma operator")
    } else {
      if (c == "=" && substr($0, i + 1, 1) != "=" && (last !~ /[=!<>]/ || substr($0, i - 2, 2) ~ /<<|>>/) && depth && \
          kind[depth] != "list" && (kind[depth] != "for" || part[depth] == 2)) flag(FNR, "an assignment in an expression")
      if ((two == "&&" || two == "||" || c == "?") && in_condition()) flag(FNR, "a condition hidden in a for header")
      if (!depth) text = text c
    }
    last = c
  }
  if (!depth) text = text " "
}
END
group 'statements'
for source in $sources; do none $source "$(awk -f "$room/text.awk" $source)"; done
finish
