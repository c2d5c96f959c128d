#!/usr/bin/env bash
# Sets up, builds and runs the tests; ends with how many passed, failed and were skipped.
#
# usage: launch/test.sh [--long]     --long runs the recorded evidence as well (hours)
set -euo pipefail
# shellcheck source=launch/environment.sh
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
case "${1:-}" in
  '') labels='quick' ;;
  --long) labels='quick|long' ;;
  *) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
step_count=4
cd "$regatta_root"

run_tests() {
  ctest --test-dir build --no-tests=error -L "^($labels)\$" -j 2 --output-on-failure --output-junit "$results"
}

# Cases that GoogleTest skipped inside programs that passed, by name, from ctest's log of all output.
skipped_cases() {
  sed -n 's/^\[  SKIPPED \] \(.*\) ([0-9]* ms)$/\1/p' build/Testing/Temporary/LastTest.log | sort -u
}

# attribute NAME of the <testsuite> element
result_count() { tr '\n' ' ' <"$results" | sed -n "s/.*<testsuite [^>]*[[:space:]]$1=\"\([0-9]*\)\".*/\1/p"; }

show_step 'setup with test libraries'
bash launch/setup.sh --tests | sed 's/^/      /' || exit 4
step 'configure' configure test -DREGATTA_BUILD_TESTS=ON || die 'configuring failed, see above'
step 'build of program and tests (a first one takes minutes)' cmake --build build -j "$(build_jobs)" ||
  die 'the build failed, see above'
show_step "tests labelled $labels"
results="$regatta_root/build/test-results.xml"
rm -f "$results"
status=0
run_tests || status=$?
[ -e "$results" ] || die "ctest ended with status $status and left no results"
mapfile -t skipped < <(skipped_cases)
echo "Skipped cases inside passed programs: ${#skipped[@]}"
[ "${#skipped[@]}" -eq 0 ] || printf '  %s\n' "${skipped[@]}"
failed="$(result_count failures)" not_run=$(($(result_count disabled) + $(result_count skipped)))
passed=$(($(result_count tests) - failed - not_run))
echo "$passed passed, $failed failed, $((not_run + ${#skipped[@]})) skipped"
exit "$status"
