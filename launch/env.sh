# shellcheck shell=sh disable=SC2086,SC3028,SC3054  # BASH_SOURCE: empty elsewhere
# Sourced by the scripts of launch/, and by whoever calls mpirun by hand: how processes start under Open MPI.
# What is set before stays. MPIRA_SITE=NAME reads launch/sites/NAME.env first (or the file MPIRA_SITE=/path/to/file).
if [ -n "${MPIRA_SITE:-}" ]; then
    case $MPIRA_SITE in
        */*) mpira_site_file=$MPIRA_SITE ;;
        *) mpira_site_file=$(dirname "${BASH_SOURCE:-launch/env.sh}")/sites/$MPIRA_SITE.env ;;
    esac
    if [ ! -r "$mpira_site_file" ]; then
        echo "launch/env.sh: MPIRA_SITE=$MPIRA_SITE: there is no $mpira_site_file; copy launch/sites/example.env" >&2
        return 2
    fi
    set -a
    # shellcheck source=launch/sites/example.env
    . "$mpira_site_file"
    set +a
fi
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
export OMPI_MCA_hwloc_base_binding_policy=${OMPI_MCA_hwloc_base_binding_policy:-none}
# mpirun kills this long after SIGTERM. Ranks commit within 0.5 s; but mpirun also sleeps it out, twice, whenever a rank
# ends with another exit code than 0 (measured, Open MPI 4.1.4: 40 s with 20), so it is kept short.
export OMPI_MCA_odls_base_sigkill_timeout=${OMPI_MCA_odls_base_sigkill_timeout:-3}
# A host that is cut off says no goodbye. Open MPI's own settings notice it after 300 + 9 x 20 s (tests/hosts waited 148 s
# in vain); with these after 20 + 4 x 5 s of silence, on both sides: mpirun ends the job, the lost host's daemon its ranks.
export OMPI_MCA_oob_tcp_keepalive_time=${OMPI_MCA_oob_tcp_keepalive_time:-20}
export OMPI_MCA_oob_tcp_keepalive_intvl=${OMPI_MCA_oob_tcp_keepalive_intvl:-5}
export OMPI_MCA_oob_tcp_keepalive_probes=${OMPI_MCA_oob_tcp_keepalive_probes:-4}
# PMIx 4's shared-memory store: Open MPI 4.1 under srun now and then dies at its start with it (3 of 85 starts; 0 of 85
# with this).
export PMIX_MCA_gds=${PMIX_MCA_gds:-hash}
if [ "$(id -u)" -eq 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
