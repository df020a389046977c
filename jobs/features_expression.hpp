#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "mpira/atlas/accessibility.hpp"
#include "mpira/atlas/cage_expression.hpp"
#include "mpira/atlas/gene_targets.hpp"
#include "mpira/atlas/region_table.hpp"
#include "mpira/base/settings.hpp"
#include "mpira/genome/regions.hpp"

namespace mpira::jobs {

std::vector<SettingSpec> features_expression_settings();

/// obsm/expression of an atlas by the settings `expression`: a table of regions, genes and their annotation,
/// or counts of CAGE. Owner, move-only. Threads: reading is free for all.
class FeaturesExpression {
public:
    FeaturesExpression() = default;  ///< none
    /// `names`: of the regions, or empty. Usage errors name file or key; the log says what was kept.
    FeaturesExpression(Settings const& settings, genome::ChromSizes const& chroms,
                       std::span<genome::Region const> regions, std::span<std::string const> names,
                       atlas::Accessibility const& accessibility);

    [[nodiscard]] std::vector<std::string> const& columns() const noexcept {
        return by_genes() ? targets_.columns() : by_cage() ? cage_.columns() : table_.columns();
    }
    /// Names the content of the files.
    [[nodiscard]] std::string const& content_hash() const noexcept {
        return by_genes() ? content_ : by_cage() ? cage_.content_hash() : table_.content_hash();
    }
    /// Values of regions [first, first + out.size() / columns); `accessibility`: of the same regions.
    void read_rows(std::uint64_t first, std::span<float const> accessibility, std::span<float> out) const;

    /// Where genes of the table are, by region; none without genes.
    [[nodiscard]] std::vector<atlas::GeneTargets::Entry> const& entries() const noexcept {
        return targets_.entries();
    }
    /// Puts uns/promoters: id, name, row and strand of each entry. Reads the annotation again.
    void describe(Settings const& settings, genome::ChromSizes const& chroms, nlohmann::json& uns) const;

private:
    [[nodiscard]] bool by_genes() const noexcept { return !targets_.columns().empty(); }
    [[nodiscard]] bool by_cage() const noexcept { return !cage_.columns().empty(); }
    atlas::RegionTable table_;
    atlas::CageExpression cage_;
    atlas::GeneTargets targets_;
    std::string content_;
};

}  // namespace mpira::jobs
