// Campaigns that end by a failure outside of any unit, on one rank, while the others compute: the leader's
// thread fails, or a rank can't write its rows. run_main must end all ranks in seconds
// (tests/comm/expect_exit.cmake).
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include <signal.h>
#include <sys/resource.h>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/schedule/campaign.hpp"

namespace {

class Slow final : public mpira::store::Job {
public:
    Slow() {
        layout_.job = "slow";
        layout_.rows = 1000;
        layout_.row_arrays = {{"X", mpira::store::Type::f32, {2}}};
    }
    [[nodiscard]] mpira::store::ResultLayout const& layout() const override { return layout_; }
    [[nodiscard]] mpira::store::ResultTables tables() const override {
        mpira::store::ResultTables tables;
        for (int row = 0; row < 1000; ++row) tables.obs.index.push_back(fmt::format("r{}", row));
        tables.var.index = {"a", "b"};
        return tables;
    }
    [[nodiscard]] double relative_cost(std::uint64_t /*unit*/) const override { return 1; }
    void run(std::uint64_t /*unit*/, mpira::store::UnitRows& /*rows*/, std::stop_token stop) override {
        for (int i = 0; i < 10; ++i) {
            if (stop.stop_requested()) throw mpira::Error(mpira::Origin::stopped, "dropped");
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        if (on_unit) on_unit();
    }
    [[nodiscard]] std::string describe() const override { return "slow units"; }
    std::function<void()> on_unit;

private:
    mpira::store::ResultLayout layout_;
};

}  // namespace

int main(int argc, char** argv) {
    return mpira::comm::run_main(argc, argv, [&] {
        auto const world = mpira::comm::Communicator::world();
        std::string const how = argc > 1 ? argv[1] : "";
        std::string folder = (std::filesystem::temp_directory_path() / "mpira-failing-XXXXXX").string();
        if (world.is_root()) mpira::ensure(mkdtemp(folder.data()) != nullptr, "no folder");
        folder = world.bcast(folder);
        Slow job;
        mpira::schedule::CampaignOptions options;
        options.commit_s = 0.2;
        options.on_progress = [&](mpira::schedule::ProgressReport const& report) {
            if (how == "leader" && report.done > 5) throw std::runtime_error("the leader has had enough");
        };
        bool const last = world.rank() == world.size() - 1;
        if (how == "write" && last)
            job.on_unit = [] {  // from here on no file of this process may be longer than 16 bytes
                signal(SIGXFSZ, SIG_IGN);
                rlimit const none{16, 16};
                setrlimit(RLIMIT_FSIZE, &none);
            };
        return mpira::schedule::run_campaign(world, job, folder + "/a.h5ad", options).exit_code();
    });
}
