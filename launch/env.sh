# Sourced by the scripts of launch/: how a process starts under Open MPI on one machine. Site settings go to <site>.env.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
export OMPI_MCA_hwloc_base_binding_policy=${OMPI_MCA_hwloc_base_binding_policy:-none}
# mpirun kills this long after SIGTERM. Ranks commit within 0.5 s; but mpirun also sleeps it out, twice, whenever a rank
# ends with another exit code than 0 (measured, Open MPI 4.1.4: 40 s with 20), so it is kept short.
export OMPI_MCA_odls_base_sigkill_timeout=${OMPI_MCA_odls_base_sigkill_timeout:-3}
export OMPI_MCA_btl_vader_single_copy_mechanism=${OMPI_MCA_btl_vader_single_copy_mechanism:-none}  # quiet in containers
if [ "$(id -u)" -eq 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
