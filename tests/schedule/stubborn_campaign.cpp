// A campaign of one rank whose last unit takes minutes and hears no stop, as a model call may. It commits by
// no cadence of its own. argv[1]: the result file. Says "in the long unit" on stdout when it is there.
#include <chrono>
#include <cstdio>
#include <thread>

#include <fmt/format.h>

#include "mpira/comm/communicator.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/schedule/campaign.hpp"

namespace {

constexpr std::uint64_t kUnits = 8;

class Stubborn final : public mpira::store::Job {
public:
    Stubborn() {
        layout_.job = "stubborn";
        layout_.rows = kUnits;
        layout_.rows_per_unit = 1;
        layout_.row_arrays = {{"X", mpira::store::Type::f32, {1}}};
    }
    [[nodiscard]] mpira::store::ResultLayout const& layout() const override { return layout_; }
    [[nodiscard]] mpira::store::ResultTables tables() const override {
        mpira::store::ResultTables tables;
        for (std::uint64_t row = 0; row < kUnits; ++row) tables.obs.index.push_back(fmt::format("r{}", row));
        tables.var.index = {"value"};
        return tables;
    }
    [[nodiscard]] double relative_cost(std::uint64_t unit) const override {
        return static_cast<double>(kUnits - unit);  // so that the last one is handed out last
    }
    void run(std::uint64_t unit, mpira::store::UnitRows& rows, std::stop_token /*stop*/) override {
        rows.array<float>("X")[0] = static_cast<float>(unit);
        if (unit + 1 < kUnits) return;
        std::puts("in the long unit");
        std::fflush(stdout);
        std::this_thread::sleep_for(std::chrono::minutes(10));
    }
    [[nodiscard]] std::string describe() const override { return "a unit that hears no stop"; }

private:
    mpira::store::ResultLayout layout_;
};

}  // namespace

int main(int argc, char** argv) {
    return mpira::comm::run_main(argc, argv, [&] {
        auto const world = mpira::comm::Communicator::world();
        mpira::schedule::CampaignOptions options;
        options.on_progress = [](mpira::schedule::ProgressReport const&) {};
        options.commit_s = 1e6;
        options.commit_units = 1'000'000;
        Stubborn job;
        return mpira::schedule::run_campaign(world, job, argv[1], options).exit_code();
    });
}
