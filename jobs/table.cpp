#include "mpira/jobs/table.hpp"

#include <array>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "jobs/entries.hpp"

namespace mpira::jobs {

std::span<JobEntry const> job_table() {
    static std::array const entries{
        counts_entry(),    crispri_entry(), features_entry(), import_entry(),  jacobian_entry(),
        lentimpra_entry(), network_entry(), perturb_entry(),  predict_entry(), synthetic_entry(),
    };
    return entries;
}

JobEntry const& find_job(std::string_view name) {
    std::vector<std::string> names;
    for (auto const& entry : job_table()) {
        if (entry.name == name) return entry;
        names.emplace_back(entry.name);
    }
    fail_usage(
        fmt::format("there is no job '{}'{} (mpira jobs lists them)", name, text::did_you_mean(name, names)));
}

}  // namespace mpira::jobs
