#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/settings.hpp"
#include "mpira/genome/elements.hpp"
#include "mpira/store/layout.hpp"

#include "jobs/lentimpra_features.hpp"
#include "jobs/lentimpra_models.hpp"

namespace mpira::jobs {

/// What a screen is made of, as far as its result file tells of it.
struct ScreenParts {
    Settings const& settings;
    atlas::Atlas const& atlas;
    genome::ElementLibrary const& library;
    ScreenModels const& models;
    ElementFeatures const& features;
    std::vector<std::string> const& statistics;  ///< columns of X

    [[nodiscard]] bool has_loci() const { return library.locus(0).has_value(); }  ///< all elements, or none
};

/// Rows and arrays of the result file, and what a resume must find unchanged.
store::ResultLayout screen_layout(ScreenParts const& parts);
/// What is known of elements and statistics when the file is created.
store::ResultTables screen_tables(ScreenParts const& parts);

}  // namespace mpira::jobs
