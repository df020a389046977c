# shellcheck shell=bash disable=SC2034
# Sourced by launch/local and launch/campaign: their options, and one run of mpira under mpiexec on this machine.
#
# take_options "$@"  reads --ranks N and --oversubscribe; leaves the rest in the array `command_line`, --output's
#                    value in `output`, and the launcher's environment set. Exits with 2 on wrong ones. Calls
#                    own_option "$@" for an option it does not know: that says in `taken` how many words it took.
# run_once WORDS...  runs mpira with these words; leaves mpiexec's exit code in `code`, and in `asked` whether this
#                    script was told to stop meanwhile (and the ranks with it).
# And what launch/outcome.sh has.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
script=launch/$(basename "$0")
mpira=${MPIRA:-$here/build/release/bin/mpira}
mpiexec=${MPIRA_MPIEXEC:-mpirun}
if [[ -z ${MPIRA_MPIEXEC:-} && -x $here/bin/mpirun ]]; then mpiexec=$here/bin/mpirun; fi  # of a bundle (launch/bundle)
asked=0
told=0
child=
# shellcheck source=launch/outcome.sh
. "$here/launch/outcome.sh"

refuse() {
    echo "$script: $1" >&2
    exit 2
}

take_options() {
    local oversubscribe=0 cores
    cores=$(env -u OMP_NUM_THREADS nproc)  # which nproc heeds, but is for a rank
    ranks=$cores
    while [[ $# -gt 0 ]]; do
        case $1 in
            --ranks)
                [[ $# -ge 2 && $2 =~ ^[1-9][0-9]*$ ]] || refuse "--ranks needs a number"
                ranks=$2
                shift 2
                ;;
            --oversubscribe) oversubscribe=1; shift ;;
            --help | -h) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"; exit 0 ;;
            *)
                taken=0
                own_option "$@"
                [[ $taken -gt 0 ]] || break
                shift "$taken"
                ;;
        esac
    done
    [[ $# -gt 0 ]] || refuse "which command? $mpira --help lists them"
    [[ -x $mpira ]] || refuse "$mpira is not there; build it with launch/build, or set MPIRA"
    command -v "$mpiexec" >/dev/null || refuse "$mpiexec is not there; install Open MPI or set MPIRA_MPIEXEC"
    if [[ $ranks -gt $cores && $oversubscribe -eq 0 ]]; then
        refuse "$ranks ranks on $cores cores slow each other down; --oversubscribe if that is meant"
    fi
    command_line=("$@")
    find_output "$@"

    # Not flags: other MPIs' mpiexec know neither --oversubscribe nor --bind-to, and ignore these.
    # shellcheck source=launch/env.sh
    . "$here/launch/env.sh"
    export MPIRA_EXPECTED_RANKS=$ranks
    export OMPI_MCA_odls_base_sigkill_timeout=1 # we drain by USR1, see below: no need to make a typing error wait
    export OMPI_MCA_orte_execute_quiet=1  # our message is the message
    export OMPI_MCA_rmaps_base_oversubscribe=$oversubscribe
    if [[ $oversubscribe -eq 1 ]]; then export OMPI_MCA_mpi_yield_when_idle=1; fi
}

# The first signal asks the ranks to finish or drop what they compute, commit, and leave with 3; a second one ends them.
# shellcheck disable=SC2317  # reached by the trap
pass_stop() {
    local signal=USR1
    [[ $asked -eq 0 ]] || signal=TERM
    asked=1
    if [[ -n $child ]]; then
        told=1
        kill -"$signal" "$child" 2>/dev/null || true
    fi
}

# In a process group of its own, so that ^C comes here and not to mpirun, which would kill its ranks a second later.
trap pass_stop INT TERM USR1
run_once() {
    told=0
    set -m
    # shellcheck disable=SC2086  # several words
    "$mpiexec" ${MPIRA_MPIEXEC_FLAGS:-} -n "$ranks" "$mpira" "$@" </dev/null &
    child=$!
    set +m
    # A signal that came before there was whom to tell.
    if [[ $asked -eq 1 && $told -eq 0 ]]; then kill -USR1 "$child" 2>/dev/null || true; fi
    while true; do
        code=0
        wait "$child" || code=$?
        kill -0 "$child" 2>/dev/null || break  # else a signal woke the wait
    done
    child=
}
