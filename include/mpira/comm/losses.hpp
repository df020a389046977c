#pragma once

#include <vector>

#include "mpira/comm/communicator.hpp"

/// Going on after a rank has died, where the MPI library can: ULFM, as Open MPI 5 has it under
/// `mpirun --with-ft ulfm`. Elsewhere the launcher ends the job, and none of this is ever met.
namespace mpira::comm {

/// Whether this library, started as it was, tells of dead ranks instead of ending the job. After MPI_Init.
[[nodiscard]] bool survives_losses();

/// Whether an MPI call's return code says that it failed because a rank has died. A receive from any source
/// that is waiting then still waits.
[[nodiscard]] bool is_loss(int code);

/// Ranks of this group that are known to have died, ascending. Receives from any source then work again until
/// the next one dies. Local.
[[nodiscard]] std::vector<int> lost_ranks(CommView comm);

/// The group without its dead ranks, in the old order. [collective among those that live] Where it has become
/// smaller, this process frees no communicator any more and leaves without MPI_Finalize (run_main), either of
/// which could wait for the dead: let all survivors meet in a barrier of the new group before.
[[nodiscard]] Communicator survivors(CommView comm);

/// Whether survivors() has found ranks missing.
[[nodiscard]] bool has_lost_ranks() noexcept;

}  // namespace mpira::comm
