#include "mpira/comm/runtime.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <initializer_list>
#include <optional>
#include <string_view>

#include <mpi.h>
#include <sys/uio.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"
#include "mpira/comm/communicator.hpp"
#include "mpira/comm/losses.hpp"

namespace mpira::comm {
namespace {

std::optional<std::string_view> environment(char const* name) {
    char const* value = std::getenv(name);
    if (value == nullptr) return std::nullopt;
    return std::string_view(value);
}

/// Whether the kernel lets processes read each other's memory: a seccomp filter of a container may not.
bool kernel_copies_between_processes() {
    int source = 1;
    int target = 0;
    iovec const from{&source, sizeof source};
    iovec const to{&target, sizeof target};
    return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == sizeof target && target == source;
}

/// Settings of Open MPI that must be in place before it starts. What the user or a site has set stays.
void prepare_environment() {
    // OMPIO's shared file pointers, which we never use: lockedfile leaves FILE.locktest.N beside a file, and
    // sm complains without the session folder that mpirun makes.
    setenv("OMPI_MCA_sharedfp", "^lockedfile,sm", 0);
    // Ranks of a node hand over long messages by one copy of the kernel's (cross-memory attach). Where that
    // is forbidden, Open MPI would complain of every message; through shared memory, in pieces, both ranks
    // must be running at the same time (measured on 2 busy cores, 25 MiB all-reduce: 1400 ms instead of 73).
    if (!kernel_copies_between_processes()) setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);
    setenv("PMIX_MCA_pcompress_base_silence_warning", "1", 0);
    auto const launched = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE", "PMI_FD"};
    if (std::any_of(launched.begin(), launched.end(),
                    [](auto name) { return environment(name).has_value(); }))
        return;
    // Alone: without these, Open MPI starts a daemon of its own first and looks for ssh. Spawning processes,
    // which the daemon is for, is nothing we do.
    setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
    setenv("OMPI_MCA_plm", "isolated", 0);
#ifdef OPEN_MPI
    // In a step of Slurm, Open MPI asks for a PMI server and, where srun brought none, ends the process with
    // a page of its own. Without these it starts alone, as it is, and refuse_strangers has its say.
    // An Open MPI built for Slurm's old PMI-1, which has no sign in the environment, needs OMPI_MCA_ess=pmi.
    if (!environment("OMPI_MCA_ess"))
        for (char const* const name : {"SLURM_STEPID", "SLURM_STEP_ID"}) unsetenv(name);
#endif
    // All lone processes of a user would make and remove the same folder under /tmp, and fail now and then.
    setenv("OMPI_MCA_orte_create_session_dirs", "0", 0);
}

void refuse_strangers(int size) {
    if (auto const promised = environment("MPIRA_EXPECTED_RANKS")) {
        auto const ranks = text::to_integer(*promised);
        require(ranks && *ranks > 0,
                fmt::format("MPIRA_EXPECTED_RANKS is '{}', not a number of ranks", *promised));
        require(
            *ranks == size,
            fmt::format("{} ranks were promised (MPIRA_EXPECTED_RANKS) but MPI started {}: the launcher and "
                        "this MPI library ({}) do not know each other; use the mpirun of that library, or "
                        "srun --mpi=pmix (srun --mpi=list shows what there is)",
                        *ranks, size, library_version()));
    } else if (auto const step = environment("SLURM_STEP_NUM_TASKS"); step && size == 1) {
        auto const tasks = text::to_integer(*step).value_or(1);
        require(tasks <= 1,
                fmt::format("srun started {} tasks but MPI ({}) sees one rank: each would run the whole "
                            "campaign; use srun --mpi=pmix (srun --mpi=list shows what there is) or mpirun",
                            tasks, library_version()));
    }
}

void say(int rank, int size, std::string_view what) {
    if (size > 1)
        fmt::print(stderr, "mpira: rank {} on {}: {}\n", rank, host_name(), what);
    else
        fmt::print(stderr, "mpira: {}\n", what);
    std::fflush(stderr);
}

/// Ends the process: prints the failure, and takes the other ranks along if they may still be at work.
int leave_after(Failure const& failure) {
    int const code = Error(failure.origin, failure.what).exit_code();
    int running = 0;
    int finalized = 0;
    MPI_Initialized(&running);
    MPI_Finalized(&finalized);
    if (running == 0 || finalized != 0) {
        say(0, 1, failure.what);
        return code;
    }
    int rank = 0;
    int size = 1;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    say(rank, size, failure.what);
    if (size > 1) MPI_Abort(MPI_COMM_WORLD, code);
    return code;
}

int run_body(std::function<int()> const& body) {
    try {
        return body();
    } catch (CollectiveError const& error) {
        // All ranks are here: one speaks, and nobody is left behind in MPI_Finalize.
        int rank = 0;
        MPI_Comm_rank(MPI_COMM_WORLD, &rank);
        if (rank == 0) say(0, 1, error.what());
        return error.exit_code();
    } catch (...) {
        return leave_after(failure_of_current_exception());
    }
}

}  // namespace

Runtime::Runtime(int& argc, char**& argv) {
    prepare_environment();
    int provided = MPI_THREAD_SINGLE;
    check(MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided), "MPI_Init_thread");
    require(provided >= MPI_THREAD_MULTIPLE,
            "this MPI library gives no MPI_THREAD_MULTIPLE, which mpira needs (" + library_version() + ")");
    int size = 1;
    check(MPI_Comm_size(MPI_COMM_WORLD, &size), "MPI_Comm_size");
    refuse_strangers(size);
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
        int const code = run_body(body);
        if (has_lost_ranks()) {  // MPI_Finalize may wait for them
            std::fflush(nullptr);
            std::_Exit(code);
        }
        return code;
    } catch (...) {
        return leave_after(failure_of_current_exception());
    }
}

void abort_job(Failure const& failure) {
    int const code = leave_after(failure);
    MPI_Abort(MPI_COMM_WORLD, code);
    std::abort();  // not reached
}

std::string library_version() {
    std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
    int length = 0;
    check(MPI_Get_library_version(text.data(), &length), "MPI_Get_library_version");
    std::string_view const all(text.data(), static_cast<std::size_t>(length));
    return std::string(text::trim(all.substr(0, all.find_first_of("\n,"))));
}

std::string host_name() {
    std::array<char, 256> name{};
    if (gethostname(name.data(), name.size() - 1) != 0) return "unknown host";
    return name.data();
}

}  // namespace mpira::comm
