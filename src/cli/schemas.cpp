#include "cli/schemas.hpp"

#include "mpira/cli/read_settings.hpp"
#include "mpira/jobs/table.hpp"
#include "mpira/train/schema.hpp"

#include "cli/train_entry.hpp"

namespace mpira::cli {

std::vector<NamedSchema> all_schemas() {
    std::vector<NamedSchema> all;
    for (auto const& entry : jobs::job_table()) {
        all.push_back(
            {std::string(entry.name), std::string(entry.summary), with_campaign_schema(entry.schema())});
    }
    all.push_back({"train", std::string(kTrainSummary), train::train_schema()});  // no campaign of units
    all.push_back({"folds", std::string(kFoldsSummary), with_campaign_schema(train::folds_schema())});
    return all;
}

}  // namespace mpira::cli
