#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mpira/comm/communicator.hpp"
#include "mpira/comm/devices.hpp"
#include "mpira/store/result_file.hpp"

/// The parts of `mpira bench`. Each is called on all ranks [collective] and returns the same on all.
namespace mpira::cli {

/// The median of some rounds and how far they were apart; units as the owner says.
struct Rounds {
    double median = 0, least = 0, most = 0;
};
Rounds rounds_of(std::vector<double> values);

/// A choice of settings that a campaign on this device may make.
struct SettingsSpeed {
    std::string settings;  ///< "model.precision=bf16"
    Rounds to_default;     ///< windows of the insertion path, to those with the settings' defaults
};

struct ModelSpeed {
    std::string name;              ///< "768x12, windows of 200 regions"
    Rounds windows_per_s;          ///< the unshortened forward, a rank, all ranks at work
    double operations_per_s = 0;   ///< of that, a rank
    Rounds share_of_products;      ///< of that, against bare matrix products of the same shapes
    Rounds onednn_to_blas;         ///< such products by oneDNN to those by LibTorch's BLAS; on CPUs, else 0
    Rounds insertions_to_forward;  ///< windows of the insertion path (shortcuts on) to windows of the forward
    std::vector<SettingsSpeed> others;  ///< of products and precision; not the defaults themselves
};
/// Which settings are worth choosing here, in words for people; choices that gain less than timings vary are
/// not.
std::string advice_of(std::vector<SettingsSpeed> const& others);
/// `weights` empty: random ones of the published size, or with `small` of the quickstart's.
ModelSpeed bench_model(comm::CommView world, comm::Device const& device, std::filesystem::path const& weights,
                       bool small, std::filesystem::path const& folder, double seconds);

struct DispatchSpeed {
    std::uint64_t units = 0;
    double unit_s = 0;
    Rounds efficiency;  ///< seconds in units / (ranks x seconds from the first claim to the last commit)
    double over_s = 0;  ///< beyond the units' own, a unit
};
/// Campaigns of units that sleep, as in perf/dispatch.py.
DispatchSpeed bench_dispatch(comm::Communicator const& world, std::filesystem::path const& folder,
                             double seconds);

struct WriteSpeed {
    double mib = 0;      ///< of a round, all ranks
    Rounds plain_mib_s;  ///< pwrite to one preallocated file, one sync a batch
    Rounds ours_mib_s;
    Rounds ratio;  ///< ours to plain of the same round
};
WriteSpeed bench_write(comm::CommView world, std::filesystem::path const& folder, double seconds);

struct ReduceSpeed {
    std::string by;  ///< "MPI", of host memory; "NCCL", of the ranks' GPUs
    double bytes = 0;
    Rounds bus_bytes_per_s;
};
/// What a sum of so many bytes over `ranks` moves on each link, as nccl-tests counts: 2 (n - 1) / n x bytes /
/// s.
double bus_bytes_per_s(int ranks, double bytes, double seconds);
/// Sums over all ranks of some lengths, by MPI and, where each rank has a GPU, by NCCL; nothing for one rank.
std::vector<ReduceSpeed> bench_reduce(comm::CommView world, comm::Device const& device, double seconds);

/// Batches of 1 MiB units into one file, by ResultFile and by plain pwrites of the same bytes: what
/// bench_write and perf/write measure. Every call is collective and gives the slowest rank's seconds.
class WriteRace {
public:
    static constexpr std::uint64_t kUnitBytes = 1 << 20;
    static constexpr std::size_t kBatch = 64;  ///< what a campaign commits at once

    WriteRace(comm::CommView world, std::filesystem::path folder, std::uint64_t units_a_rank);
    [[nodiscard]] double plain() const;
    [[nodiscard]] double ours(store::WriteMode mode) const;
    [[nodiscard]] double mib() const { return static_cast<double>(layout_.rows); }  ///< all ranks together

private:
    [[nodiscard]] double timed(std::function<void()> const& body) const;

    comm::CommView world_;
    std::filesystem::path folder_;
    store::ResultLayout layout_;
    std::vector<store::UnitRows> rows_;  ///< of this rank's units, filled before the clock starts
    std::vector<store::FinishedUnit> finished_;
};

}  // namespace mpira::cli
