// The synthetic campaign without the rest of mpira, so that it is soon built with an MPI that survives the
// loss of a rank (preset ulfm; tests/python/ulfm_test.py): schedule_survivors OUTPUT KEY=VALUE ...
#include <filesystem>
#include <string>
#include <vector>

#include "mpira/cli/read_settings.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/schedule/campaign.hpp"

#include "jobs/entries.hpp"

int main(int argc, char** argv) {
    using namespace mpira;
    std::vector<std::string> const words(argv + 1, argv + argc);
    return comm::run_main(argc, argv, [&] {
        auto const world = comm::Communicator::world();
        require(!words.empty(), "schedule_survivors OUTPUT KEY=VALUE ...");
        auto const entry = jobs::synthetic_entry();
        auto const settings =
            cli::parse_settings(entry.schema(), "", "the command line", {words.begin() + 1, words.end()});
        auto const job = entry.make(settings, {});
        schedule::CampaignOptions options;
        options.commit_s = 0.1;
        return schedule::run_campaign(world, *job, words.front(), options).exit_code();
    });
}
