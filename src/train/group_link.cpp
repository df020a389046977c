#include "train/group_link.hpp"

#include <chrono>
#include <thread>

#include <mpi.h>

namespace mpira::train {

namespace {

// A blocking call would spin for as long as the others train.
void wait_asleep(MPI_Request& request) {
    for (int done = 0; done == 0;) {
        comm::check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
        if (done == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

}  // namespace

void meet_asleep(comm::CommView comm) {
    if (comm.size() == 1) return;
    MPI_Request request = MPI_REQUEST_NULL;
    comm::check(MPI_Ibarrier(comm.raw(), &request), "MPI_Ibarrier");
    wait_asleep(request);
}

std::int64_t GroupLink::pass_on(std::int64_t unit) {
    if (group_.size() == 1) return unit;
    MPI_Request request = MPI_REQUEST_NULL;
    comm::check(MPI_Ibcast(&unit, 1, MPI_INT64_T, 0, group_.raw(), &request), "MPI_Ibcast");
    wait_asleep(request);
    return unit;
}

}  // namespace mpira::train
