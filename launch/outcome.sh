# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by launch/campaign and launch/slurm.sbatch: what the result file says of a run. Needs `mpira`, the program.
#
# find_output WORDS...  --output's value, into `output`; empty where there is none.
# read_status           asks `mpira status` of the output; where a run is still dying, for up to 10 s until it's over.
# status_field NAME     a number or text of what read_status read; nothing where it has none.
# forward               a number that grows when a run has brought the campaign forward: units done, failed, charged; epochs.
# made                  what of the output is there: its file, and how far a training got (an epoch, a checkpoint).
# made_since BEFORE     whether anything was made since `made` printed BEFORE.
# without_fresh WORDS.. the words but --fresh and --overwrite, into `rest`: what they made is to be gone on with.

made() {
    stat -c %n:%d:%i "$output" 2>/dev/null || echo none
    stat -c %n:%i:%y "${output%.safetensors}".{metrics.jsonl,checkpoint.safetensors} 2>/dev/null || true
}
made_since() { made | grep -vxF -- "$1" | grep -vx none >/dev/null; }
without_fresh() {
    local word
    rest=()
    for word in "$@"; do [[ $word == --fresh || $word == --overwrite ]] || rest+=("$word"); done
}

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
