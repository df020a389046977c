# Sourced by the scripts of launch/: how a process starts under Open MPI on one machine. Site settings go to <site>.env.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
export OMPI_MCA_hwloc_base_binding_policy=${OMPI_MCA_hwloc_base_binding_policy:-none}
# mpirun kills 1 s after SIGTERM by default; a drain of the present unit may need longer.
export OMPI_MCA_odls_base_sigkill_timeout=${OMPI_MCA_odls_base_sigkill_timeout:-20}
export OMPI_MCA_btl_vader_single_copy_mechanism=${OMPI_MCA_btl_vader_single_copy_mechanism:-none}  # quiet in containers
if [ "$(id -u)" -eq 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
