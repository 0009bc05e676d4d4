# test/lib.sh - what the test scripts share. Read with `. test/lib.sh` from the root of the repository.
# TICKET names the program to test (./ticket). SPDX-License-Identifier: MIT
#
# A script opens groups and makes checks; a group prints `ok NAME (N checks)` or a FAIL line per failed check.

LC_ALL=C
export LC_ALL
unset POSIXLY_CORRECT
passed=0 failed=0 skipped=0 group= group_passed=0 group_failed=0
ticket=${TICKET:-./ticket}
case $ticket in /*) ;; *) ticket=$PWD/$ticket ;; esac
tab=$(printf '\t')
room=$(mktemp -d) || exit 1 # a folder for everything a script writes
trap 'rm -rf "$room"' EXIT
trap 'exit 1' HUP INT TERM

close_group()
{
  [ -z "$group" ] || [ $group_failed -gt 0 ] || printf 'ok   %s (%d checks)\n' "$group" $group_passed
  passed=$((passed + group_passed)) failed=$((failed + group_failed)) group= group_passed=0 group_failed=0
}

group() # NAME
{
  close_group
  group=$1
}

good() { group_passed=$((group_passed + 1)); }

bad() # WHAT EXPECTED FOUND
{
  group_failed=$((group_failed + 1))
  printf 'FAIL %s: %s: expected %s, found %s\n' "$group" "$1" "$2" "$(printf '%s' "$3" | tr '\n' '|' | cut -c 1-400)"
}

is() # WHAT EXPECTED FOUND: texts that must be equal
{
  if [ "$2" = "$3" ]; then good; else bad "$1" "'$2'" "'$3'"; fi
}

same() # WHAT FILE FILE
{
  if cmp -s "$2" "$3"; then good; else bad "$1" "equal files" "$(cmp "$2" "$3" 2>&1)"; fi
}

skip() # WHAT AND WHY
{
  skipped=$((skipped + 1))
  printf 'skip %s\n' "$1"
}

finish()
{
  close_group
  if [ $skipped -gt 0 ]; then printf '%d passed, %d failed, %d skipped\n' $passed $failed $skipped
  else printf '%d passed, %d failed\n' $passed $failed; fi
  [ $failed -eq 0 ] && [ $passed -gt 0 ]
  exit
}

# Runs ticket: its exit status in $status, what it printed in $room/out and $room/err.
run()
{
  status=0
  "$ticket" "$@" >"$room/out" 2>"$room/err" </dev/null || status=$?
}

works() # WHAT ARGUMENT...: exit status 0
{
  what=$1
  shift
  run "$@"
  if [ $status -eq 0 ]; then good; else bad "$what" "exit status 0" "$status: $(cat "$room/err")"; fi
}

# Exit status STATUS and on stderr nothing but one whole line that begins with `ticket: ` and has WORDS in it
# (`A...B`: A and B).
refused() # STATUS WORDS ARGUMENT...
{
  wanted=$1 words=$2
  shift 2
  run "$@"
  said "$*" "$wanted" "$words"
}

said() # WHAT STATUS WORDS: the same of the run just made
{
  if [ $status -ne "$2" ]; then bad "$1" "exit status $2" "$status: $(cat "$room/err")"
  elif [ "$(wc -l <"$room/err" | tr -d ' ')" != 1 ] || ! grep -q '^ticket: ' "$room/err"; then
    bad "$1" "one line 'ticket: ...'" "$(cat "$room/err")"
  elif ! grep -qF -e "${3%...*}" "$room/err" || ! grep -qF -e "${3#*...}" "$room/err"; then bad "$1" "a message with '$3'" "$(cat "$room/err")"
  else good; fi
}

# Names, lengths and checksums of all files of a folder but the temporary ones that killed processes left.
sums() { (cd "$1" && find . -type f ! -name '*.tmp' -exec cksum {} + | sort -k 3); }

now() # milliseconds
{
  t=$(date +%s%N)
  case $t in *N) t=$(date +%s)000000000 ;; esac
  echo "${t%??????}"
}

# Gives a table that was changed the checksum of what it is now: FNV-1a of all after the first line.
sign() # FILE
{
  hash=-3750763034362895579
  for byte in $(tail -n +2 "$1" | od -An -v -tu1); do hash=$(((hash ^ byte) * 1099511628211)); done
  { printf '# checksum = %016x\n' $hash; tail -n +2 "$1"; } >"$1.signed" && mv "$1.signed" "$1"
}

# ---- safetensors files, read with od: F32 tensors come first in the data, U8 (the masks) last ----------

header_bytes() { od -An -v -tu1 -N8 "$1" | awk '{for (i = 8; i > 0; i--) n = 256 * n + $i; print n}'; }
header_of() { tail -c +9 "$1" | head -c "$(header_bytes "$1")"; }
data_of() { tail -c +$((9 + $(header_bytes "$1"))) "$1"; }
digest_in() { header_of "$1" | sed 's/.*"digest":"\([0-9a-f]*\)".*/\1/'; }
