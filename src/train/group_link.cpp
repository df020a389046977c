#include "train/group_link.hpp"

#include <chrono>
#include <thread>

#include <mpi.h>

namespace mpira::train {

std::int64_t GroupLink::pass_on(std::int64_t unit) {
    if (group_.size() == 1) return unit;
    MPI_Request request = MPI_REQUEST_NULL;
    comm::check(MPI_Ibcast(&unit, 1, MPI_INT64_T, 0, group_.raw(), &request), "MPI_Ibcast");
    // A blocking broadcast would spin for as long as the other groups train.
    for (int done = 0; done == 0;) {
        comm::check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
        if (done == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return unit;
}

}  // namespace mpira::train
