#include "mpira/comm/losses.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <numeric>

#include <mpi.h>
#if __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif

namespace mpira::comm {
namespace {

std::atomic<bool> g_lost{false};

#ifdef OMPI_HAVE_MPI_EXT_FTMPI
constexpr bool kBuiltIn = true;

/// Open MPI's own variable, which `mpirun --with-ft ulfm` sets.
bool is_switched_on() {
    int provided = 0;
    if (MPI_T_init_thread(MPI_THREAD_SINGLE, &provided) != MPI_SUCCESS) return false;
    int index = 0;
    int count = 0;
    // Room for whatever type the variable has; read as what it is, an int or a bool.
    alignas(std::max_align_t) std::array<int, 16> value{};
    MPI_T_cvar_handle handle = MPI_T_CVAR_HANDLE_NULL;
    bool const known = MPI_T_cvar_get_index("mpi_ft_enable", &index) == MPI_SUCCESS &&
                       MPI_T_cvar_handle_alloc(index, nullptr, &handle, &count) == MPI_SUCCESS;
    if (known) {
        if (count == 1) MPI_T_cvar_read(handle, value.data());
        MPI_T_cvar_handle_free(&handle);
    }
    MPI_T_finalize();
    return value.front() != 0;
}
#else
constexpr bool kBuiltIn = false;
bool is_switched_on() {
    return false;
}
#endif

#ifdef OMPI_HAVE_MPI_EXT_FTMPI
/// A view of a communicator that is not ours yet.
struct Shrunk : CommView {
    explicit Shrunk(MPI_Comm handle) : CommView(handle) {}
};

Communicator shrunk(CommView comm) {
    MPI_Comm left = MPI_COMM_NULL;
    check(MPIX_Comm_shrink(comm.raw(), &left), "MPIX_Comm_shrink");
    auto ours = Shrunk(left).duplicate();
    MPI_Comm_free(&left);
    return ours;
}
#else
Communicator shrunk(CommView comm) {
    return comm.duplicate();
}
#endif

}  // namespace

bool survives_losses() {
    static bool const on = kBuiltIn && is_switched_on();
    return on;
}

bool is_loss([[maybe_unused]] int code) {
#ifdef OMPI_HAVE_MPI_EXT_FTMPI
    int kind = MPI_SUCCESS;
    if (code != MPI_SUCCESS) MPI_Error_class(code, &kind);
    return kind == MPIX_ERR_PROC_FAILED || kind == MPIX_ERR_PROC_FAILED_PENDING || kind == MPIX_ERR_REVOKED;
#else
    return false;
#endif
}

std::vector<int> lost_ranks([[maybe_unused]] CommView comm) {
    std::vector<int> ranks;
#ifdef OMPI_HAVE_MPI_EXT_FTMPI
    check(MPIX_Comm_failure_ack(comm.raw()), "MPIX_Comm_failure_ack");
    MPI_Group lost = MPI_GROUP_NULL;
    MPI_Group all = MPI_GROUP_NULL;
    check(MPIX_Comm_failure_get_acked(comm.raw(), &lost), "MPIX_Comm_failure_get_acked");
    check(MPI_Comm_group(comm.raw(), &all), "MPI_Comm_group");
    int count = 0;
    check(MPI_Group_size(lost, &count), "MPI_Group_size");
    std::vector<int> places(static_cast<std::size_t>(count));
    std::iota(places.begin(), places.end(), 0);
    ranks.resize(places.size());
    check(MPI_Group_translate_ranks(lost, count, places.data(), all, ranks.data()),
          "MPI_Group_translate_ranks");
    MPI_Group_free(&lost);
    MPI_Group_free(&all);
    std::sort(ranks.begin(), ranks.end());
#endif
    return ranks;
}

Communicator survivors(CommView comm) {
    auto left = shrunk(comm);
    if (left.size() < comm.size()) g_lost = true;
    return left;
}

bool has_lost_ranks() noexcept {
    return g_lost;
}

}  // namespace mpira::comm
