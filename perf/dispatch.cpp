// Runs units that only sleep, as a whole campaign with its file and commits, and prints what the handing out
// cost: dispatch DURATIONS RESULT known|unknown, DURATIONS being a file of float64 seconds, one a unit.
// Started by perf/dispatch.py.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/schedule/campaign.hpp"

namespace {

std::vector<double> read_durations(std::string const& file) {
    std::ifstream in(file, std::ios::binary);
    std::vector<char> const bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    mpira::require(!bytes.empty() && bytes.size() % sizeof(double) == 0,
                   file + " is no file of float64 seconds");
    std::vector<double> seconds(bytes.size() / sizeof(double));
    std::memcpy(seconds.data(), bytes.data(), bytes.size());
    return seconds;
}

class Sleeping final : public mpira::store::Job {
public:
    Sleeping(std::vector<double> seconds, bool known) : seconds_(std::move(seconds)), known_(known) {
        layout_.job = "sleeping";
        layout_.rows = seconds_.size();
        layout_.row_arrays = {{"obs/seconds", mpira::store::Type::f64, {}}};
    }
    [[nodiscard]] mpira::store::ResultLayout const& layout() const override { return layout_; }
    [[nodiscard]] mpira::store::ResultTables tables() const override {
        mpira::store::ResultTables tables;
        for (std::size_t i = 0; i < seconds_.size(); ++i) tables.obs.index.push_back(fmt::format("{}", i));
        return tables;
    }
    [[nodiscard]] double relative_cost(std::uint64_t unit) const override {
        return known_ ? seconds_[unit] : 1;
    }
    void run(std::uint64_t unit, mpira::store::UnitRows& rows, std::stop_token /*stop*/) override {
        std::this_thread::sleep_for(std::chrono::duration<double>(seconds_[unit]));
        rows.array<double>("obs/seconds")[0] = seconds_[unit];
    }
    [[nodiscard]] std::string describe() const override { return "sleeping units"; }

private:
    std::vector<double> seconds_;
    bool known_;
    mpira::store::ResultLayout layout_;
};

}  // namespace

int main(int argc, char** argv) {
    return mpira::comm::run_main(argc, argv, [&] {
        auto const world = mpira::comm::Communicator::world();
        auto job = mpira::comm::everywhere(world, [&] {
            mpira::require(argc == 4, "usage: dispatch DURATIONS RESULT known|unknown");
            return std::make_unique<Sleeping>(read_durations(argv[1]), std::string(argv[3]) == "known");
        });
        mpira::schedule::CampaignOptions options;
        options.fresh = options.overwrite = true;
        options.on_progress = [](mpira::schedule::ProgressReport const&) {};
        auto const outcome = mpira::schedule::run_campaign(world, *job, argv[2], options);
        if (world.is_root())
            fmt::print("{{\"makespan_s\": {}, \"done\": {}}}\n", outcome.seconds, outcome.done);
        return outcome.exit_code();
    });
}
