#include "mpira/comm/runtime.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>

#include <mpi.h>

#include "mpira/base/error.hpp"
#include "mpira/comm/communicator.hpp"

namespace mpira::comm {

Runtime::Runtime(int& argc, char**& argv) {
    int provided = MPI_THREAD_SINGLE;
    check(MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided), "MPI_Init_thread");
    require(provided >= MPI_THREAD_MULTIPLE, "this MPI can not give MPI_THREAD_MULTIPLE");

    // srun without PMIx starts N strangers, each rank 0 of 1. Better to stop than to run N copies.
    int size = 1;
    check(MPI_Comm_size(MPI_COMM_WORLD, &size), "MPI_Comm_size");
    char const* promised = std::getenv("MPIRA_EXPECTED_RANKS");
    if (promised != nullptr)
        require(std::atoi(promised) == size, "the launcher promised another number of ranks");
}

Runtime::~Runtime() {
    if (probe_.unwinding()) return;
    int finalized = 0;
    MPI_Finalized(&finalized);
    if (finalized == 0) MPI_Finalize();
}

int run_main(int argc, char** argv, std::function<int()> const& body) {
    try {
        Runtime const runtime(argc, argv);
        return body();
    } catch (std::exception const& error) {
        int rank = -1;
        MPI_Comm_rank(MPI_COMM_WORLD, &rank);
        std::fprintf(stderr, "rank %d: %s\n", rank, error.what());
        std::fflush(stderr);
        MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
        return EXIT_FAILURE;
    }
}

}  // namespace mpira::comm
