# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by launch/run.sh and launch/slurm.sbatch: what the result file says of a run. Needs `mpira`, the program.
#
# find_output WORDS...  --output's value, into `output`; empty where there is none.
# read_status           asks `mpira status` of the output; where a run is still dying, for up to 10 s until it's over.
# status_field NAME     a number or text of what read_status read; nothing where it has none.
# forward               a number that grows when a run has brought the campaign forward: units done, failed, charged; epochs.

find_output() {
    local i next
    output=
    for ((i = 1; i <= $#; ++i)); do
        case ${!i} in
            --output) next=$((i + 1)); [[ $next -le $# ]] && output=${!next} ;;
            --output=*) output=${!i#--output=} ;;
        esac
    done
}

status_text=
read_status() {
    local try
    status_text=
    for ((try = 0; try < 20; ++try)); do
        # Not only where the file is there: of a training that goes on, its weights are not.
        if [[ -n $output ]]; then status_text=$("$mpira" status "$output" --json 2>/dev/null || true); fi
        [[ $(status_field outcome) == running ]] || break
        sleep 0.5
    done
}

status_field() {
    sed -n "s/^ \"$1\": \"\{0,1\}\(.*[^\",]\)\"\{0,1\},\{0,1\}\$/\1/p" <<<"$status_text"
}

# A unit more in the file, or one more to blame: what a restart can bring.
forward() {
    local sum=0 name value
    for name in 'done' failed charges epochs_done; do
        value=$(status_field $name)
        [[ $value =~ ^[0-9]+$ ]] && sum=$((sum + value))
    done
    echo $sum
}
