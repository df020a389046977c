#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/cli/read_settings.hpp"
#include "mpira/jobs/table.hpp"
#include "mpira/schedule/campaign.hpp"

#include "cli/bench_parts.hpp"

namespace mpira::cli {

DispatchSpeed bench_dispatch(comm::Communicator const& world, std::filesystem::path const& folder,
                             double seconds) {
    constexpr double kUnit_s = 5e-3;
    constexpr int kRounds = 3;
    auto const ranks = static_cast<double>(world.size());
    DispatchSpeed speed;
    speed.unit_s = kUnit_s;
    speed.units = static_cast<std::uint64_t>(std::max(8.0, seconds / kRounds / kUnit_s) * ranks);
    auto const& entry = jobs::find_job("synthetic");
    std::vector<std::string> const overrides{fmt::format("rows={}", speed.units), "rows_per_unit=1",
                                             fmt::format("duration.mean_ms={}", 1000 * kUnit_s),
                                             "duration.sigma=0"};
    auto const settings = parse_settings(with_campaign_schema(entry.schema()), "", "mpira bench", overrides);
    auto const job = entry.make(settings, {});
    schedule::CampaignOptions options;
    options.fresh = options.overwrite = true;
    options.machine = "bench";
    options.on_progress = [](schedule::ProgressReport const&) {};
    std::vector<double> efficiency, over;
    for (int round = 0; round < kRounds; ++round) {
        auto const outcome = schedule::run_campaign(world, *job, folder / "dispatch.h5ad", options);
        require(outcome.finished, fmt::format("{} of {} units done", outcome.done, outcome.units));
        double busy_s = 0;
        for (auto const& share : outcome.shares) busy_s += share.busy_s;
        auto const held_s = world.bcast_value(outcome.seconds) * ranks;
        efficiency.push_back(busy_s / held_s);
        over.push_back((held_s - busy_s) / static_cast<double>(speed.units));
    }
    speed.efficiency = rounds_of(efficiency);
    speed.over_s = rounds_of(over).median;
    return speed;
}

double bus_bytes_per_s(int ranks, double bytes, double seconds) {
    auto const n = static_cast<double>(ranks);
    return 2 * (n - 1) / n * bytes / seconds;
}

std::vector<ReduceSpeed> bench_reduce(comm::CommView world, comm::Device const& device, double seconds) {
    if (world.size() == 1) return {};
    constexpr std::array kLengths{std::size_t{1} << 10, std::size_t{1} << 18, std::size_t{1} << 24};
    constexpr auto kParts = static_cast<double>(kLengths.size());
    std::vector<ReduceSpeed> speeds;
    for (auto const length : kLengths) {
        std::vector<float> values(length, 0);  // zeros stay zeros
        auto const bytes = static_cast<double>(length * sizeof(float));
        std::vector<double> rates;
        double spent = 0;
        world.all_sum(std::span(values));
        while (rates.size() < 3 || (spent < seconds / kParts && rates.size() < 1000)) {
            world.barrier();
            auto const begin = std::chrono::steady_clock::now();
            world.all_sum(std::span(values));
            double const passed = world.all_max(
                std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
            rates.push_back(bus_bytes_per_s(world.size(), bytes, passed));
            spent += passed;  // the same on every rank
        }
        speeds.push_back({"MPI", bytes, rounds_of(rates)});
    }
    for (auto const& sums : comm::time_device_sums(world, device, kLengths, seconds / kParts)) {
        auto const bytes = static_cast<double>(sums.bytes);
        std::vector<double> rates;
        for (double const passed : sums.seconds)
            rates.push_back(bus_bytes_per_s(world.size(), bytes, passed));
        speeds.push_back({"NCCL", bytes, rounds_of(std::move(rates))});
    }
    return speeds;
}

}  // namespace mpira::cli
