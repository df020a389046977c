// The main of every test that runs under mpirun.
//
// Two rules make a red test end instead of hang: a fatal failure on any rank aborts the job at once,
// and the ranks agree on the verdict at the end, so that mpirun's exit code means all of them.
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <mpi.h>

#include <gtest/gtest.h>

#include "mpira/comm/runtime.hpp"

namespace {

class AbortOnFatal : public testing::EmptyTestEventListener {
    void OnTestPartResult(testing::TestPartResult const& result) override {
        if (!result.failed()) return;
        int rank = 0;
        MPI_Comm_rank(MPI_COMM_WORLD, &rank);
        std::fprintf(stderr, "rank %d: %s:%d\n%s\n", rank,
                     result.file_name() != nullptr ? result.file_name() : "?", result.line_number(),
                     result.message());
        if (result.fatally_failed()) {
            std::fflush(stderr);
            MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
        }
    }
};

}  // namespace

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    mpira::comm::Runtime const runtime(argc, argv);
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);

    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    if (rank != 0) delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new AbortOnFatal);

    int verdict = RUN_ALL_TESTS();
    MPI_Allreduce(MPI_IN_PLACE, &verdict, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    return verdict;
}
